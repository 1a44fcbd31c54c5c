"""`nmt init`: the languages of the files, from their endings, options or answers."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from nmt.recipe.files import load_recipe
from tests.commands.parallel_text import text, write
from tests.conftest import Run


@pytest.mark.parametrize(
    ("names", "languages"),
    [
        (("a.en", "a.de"), ("en", "de")),
        (("a.fr.txt", "b.zh.txt"), ("fr", "zh")),
        (("a.pt-BR", "a.en_US"), ("pt", "en")),
    ],
)
def test_languages_come_from_the_endings(
    nmt: Run, tmp_path: Path, names: Sequence[str], languages: tuple[str, str]
) -> None:
    for path, name in zip(write(tmp_path, text(30)), names, strict=True):
        path.rename(tmp_path / name)
    assert nmt("init", *names).code == 0
    data = load_recipe("mine.toml").data
    assert (data.source_language, data.target_language) == languages


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("a.src", "a.tgt"), ["source", "target"]),
        (("a.en", "a"), ["target"]),
        (("a.txt", "a.de"), ["source"]),
        (("a.en", "b.en"), ["source", "target"]),  # one of them must be wrong
        (("a.xx", "a.de"), ["source"]),  # xx is no language
    ],
)
def test_without_a_terminal_a_language_is_never_guessed(
    nmt: Run, tmp_path: Path, names: Sequence[str], missing: list[str]
) -> None:
    for path, name in zip(write(tmp_path, text(30)), names, strict=True):
        path.rename(tmp_path / name)
    result = nmt("init", *names)
    assert result.code == 2
    assert all(f"--{side}-language" in result.err for side in missing)
    assert not Path("mine.toml").exists()
    given = [part for side in missing for part in (f"--{side}-language", "fr")]
    assert nmt("init", *names, *given).code == 0


def test_a_wrong_code_is_a_usage_error(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, text(30))
    for code in ("german", "qq", "", "D", "1", "en-US"):
        result = nmt("init", source, target, "--target-language", code)
        assert result.code == 2
        assert "is not an ISO 639 code" in result.err


def test_on_a_terminal_the_languages_are_asked_for_until_they_are_codes(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.commands.init.is_terminal", lambda: True)
    answers = iter(["English", "en", "nl"])
    asked = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    source, target = write(tmp_path, text(30))
    source, target = source.rename(tmp_path / "a"), target.rename(tmp_path / "b")
    result = nmt("init", source, target)
    assert (result.code, result.out) == (0, "")
    data = load_recipe("mine.toml").data
    assert (data.source_language, data.target_language) == ("en", "nl")
    assert len(asked) == 3
