"""`nmt init`: text that cannot be used, failures and mistakes; nothing is left behind."""

import errno
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.parallel_text import text, write
from tests.conftest import CommandResult, Run


def damaged() -> Iterator[Any]:
    """Yield names of two files, their contents and a part of the message."""
    good = b"a b\nc d\ne f\n"
    yield "misaligned", good, good + b"g\n", "c.de has 4"
    yield "UTF-8", good, b"a\n\xff\n", "c.de, line 2: not valid UTF-8"
    yield "empty", b"", b"", "no pair with text on both sides"
    yield "blank", b"\n\n", b"\n\n", "no pair with text on both sides"
    yield (
        "one source",
        b"a\n" * 50,
        b"b\n" * 50,
        "0 pairs that can be held out, too few for",
    )


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [pytest.param(*case[1:], id=case[0]) for case in damaged()],
)
def test_text_that_cannot_be_used_is_named_and_nothing_is_written(
    nmt: Run, source: bytes, target: bytes, message: str
) -> None:
    Path("c.en").write_bytes(source)
    Path("c.de").write_bytes(target)
    result = nmt("init", "c.en", "c.de")
    assert result.code == 1
    assert message in result.err
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert sorted(os.listdir()) == ["c.de", "c.en"]


@pytest.mark.parametrize("ending", [OSError(errno.EFBIG, "File too large"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["set", "recipe"])
def test_a_failure_leaves_nothing_in_the_way(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException, place: str
) -> None:
    """Run the same command again: it works."""
    paths = write(tmp_path, text(30))

    def fail(*arguments: object) -> None:
        raise ending

    with monkeypatch.context() as patch:
        if place == "set":  # after all is written, before the folder gets its name
            patch.setattr("nmt.system.atomic.os.fsync", fail)
        else:
            patch.setattr("nmt.corpora.first_recipe.write_text", fail)
        result = nmt("init", *paths, "--data-dir", "new/data")
        assert result.code in (1, 130)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left <= {"c.en", "c.de", "new", "new/data"}
    assert nmt("init", *paths, "--data-dir", "new/data").code == 0


def test_a_file_that_grows_too_large_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, text(3000))
    command = 'ulimit -f 8; exec "$0" -m nmt init c.en c.de --output lim.toml --data-dir dlim'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "nmt: cannot write dlim/lim: File too large"
    assert sorted(os.listdir()) == ["c.de", "c.en"]


def outcome(result: CommandResult) -> tuple[int, str]:
    """Return the exit code, and the message, which must be one line."""
    assert result.err.count("\n") == 1, result.err
    return result.code, result.err


def test_nothing_is_overwritten(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, text(30))
    Path("mine.toml").write_text("# mine\n")
    assert outcome(nmt("init", source, target)) == (
        2,
        "nmt: mine.toml exists already; name another recipe with --output\n",
    )
    Path("mine.toml").unlink()
    Path("data/mine").mkdir(parents=True)
    Path("data/mine/dev.de").write_text("kept\n")
    code, message = outcome(nmt("init", source, target))
    assert code == 2
    assert "the folder data/mine exists already and holds dev.de; choose another" in message
    assert Path("data/mine/dev.de").read_text() == "kept\n"
    assert not Path("mine.toml").exists()
    assert os.listdir("data/mine") == ["dev.de"]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["c.en", "none"], "the file none does not exist"),
        (["c.en", "."], "is a folder"),
        (["c.en", "c.en"], "is given as source and as target"),
        (["c.en", "/dev/null"], "is not a file"),
        (["-", "c.de"], "the text is read twice, so it cannot be stdin"),
        (["c.en", "c.de", "--dev", "c.en", "-"], "it cannot be stdin"),
        (["c.en"], "c.en, line 1: no tab between source and target"),
        (["c.en", "c.de", "-o", "mine"], "must end in .toml"),
        (["c.en", "c.de", "-o", "a\nb.toml"], "cannot name a recipe"),
        (["c.en", "c.de", "-o", "c.en/x.toml"], "cannot be written"),
        (["c.en", "c.de", "--dev", "none", "c.de"], "the file none does not exist"),
        (["c.en", "c.de", "--data-dir", "c.en/x"], "--data-dir 'c.en/x/mine/train.en' cannot be"),
    ],
)
def test_a_mistake_is_one_sentence(
    nmt: Run, tmp_path: Path, arguments: list[str], fact: str
) -> None:
    write(tmp_path, text(30))
    code, message = outcome(nmt("init", *arguments))
    assert code in (1, 2)
    assert fact in message
    assert sorted(os.listdir()) == ["c.de", "c.en"]


@pytest.mark.parametrize("command", ["train", "prepare"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"A dog runs.\n", "c.en is not valid TOML: "),
        (b"A dog runs.\n" * 90_000, "c.en has more than 1,000,000 bytes"),
        (gzip.compress(b"A dog runs.\n"), "c.en is not UTF-8 text"),
    ],
)
def test_text_in_place_of_a_recipe_hints_at_init(
    nmt: Run, command: str, content: bytes, reason: str
) -> None:
    Path("c.en").write_bytes(content)
    code, message = outcome(nmt(command, "c.en"))
    assert code == 2
    assert reason in message
    hint = "the argument must be a recipe, and `nmt init SOURCE TARGET` writes one for two text"
    assert hint in message
    Path("c.toml").write_bytes(content)
    code, message = outcome(nmt(command, "c.toml"))  # a recipe with a mistake
    assert code == 1
    assert "nmt init" not in message


def test_a_missing_model_is_named_with_its_option(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, text(30))
    for command in ("init", "train"):
        found = outcome(nmt(command, *files, "--init-from", "nosuch"))
        assert found == (1, "nmt: the model nosuch does not exist; name another with --init-from\n")
