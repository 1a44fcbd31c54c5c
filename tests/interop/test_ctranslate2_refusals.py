"""Check that messages name what CTranslate2 cannot do, and folders that it does not load."""

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run

pytest.importorskip("ctranslate2")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--sample"], "does not draw nmt's samples (--sample, decode.method=sample)"),
        (["--glossary", "terms"], "cannot place the terms of a glossary (--glossary)"),
        (["--model", "{model}"], "runs one model, not an ensemble"),
        (["--set", "decode.max_segment_tokens=5000"], "has 1,024 positions, too few for"),
        (["--n-best", 9], "n-best is 9 but must be from 1 to the beam size"),
    ],
    ids=["sample", "glossary", "ensemble", "positions", "n_best"],
)
def test_what_it_cannot_do_is_named(
    options: list[str],
    reason: str,
    nmt: Run,
    ct2_folder: Path,
    skilled_run: Path,
    mixed_lines: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(mixed_lines.parent)
    Path("terms").write_text("sun\tMOON\n")
    given = [str(each).format(model=skilled_run) for each in options]
    result = nmt("translate", mixed_lines, "--engine", "ctranslate2", "--model", ct2_folder, *given)
    assert result.code in (1, 2)
    assert reason in result.err
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert result.out == ""


def test_a_recipe_edited_to_more_positions_is_refused(
    nmt: Run, ct2_folder: Path, mixed_lines: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ct2_folder, tmp_path / "edited"))
    recipe = (folder / "recipe.toml").read_text()
    longer = re.sub("max_segment_tokens = .*", "max_segment_tokens = 3000", recipe)
    assert longer != recipe
    (folder / "recipe.toml").write_text(longer)
    result = nmt("translate", mixed_lines, "--engine", "ctranslate2", "--model", folder)
    assert result.code == 1
    assert "has 1,024 positions, too few for decode.max_segment_tokens=3000" in result.err


def test_folders_that_it_does_not_load(
    nmt: Run, ct2_folder: Path, mixed_lines: Path, tmp_path: Path
) -> None:
    foreign, broken = tmp_path / "foreign", tmp_path / "broken"
    foreign.mkdir()
    (foreign / "model.bin").touch()
    result = nmt("translate", mixed_lines, "--engine", "ctranslate2", "--model", foreign)
    assert result.code == 1
    assert "is not a folder of `nmt export --to ctranslate2`" in result.err
    broken.mkdir()
    for each in ct2_folder.iterdir():
        (broken / each.name).write_bytes(
            each.read_bytes()[: 200 if each.suffix == ".bin" else None]
        )
    result = nmt("translate", mixed_lines, "--engine", "ctranslate2", "--model", broken)
    assert result.code == 1
    assert "was changed after" in result.err
    result = nmt("translate", mixed_lines, "--model", ct2_folder)
    assert result.code == 1
    assert "add --engine ctranslate2" in result.err
    result = nmt("score", mixed_lines, mixed_lines, "--model", ct2_folder)
    assert result.code == 1
