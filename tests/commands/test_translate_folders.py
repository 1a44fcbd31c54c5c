"""Which files `nmt translate` takes from folders and patterns, and which outputs it refuses."""

import errno
import os
from pathlib import Path

import pytest

from nmt.documents.folders import RECORD
from tests.commands.conftest import paths_in, translate
from tests.conftest import Run


@pytest.mark.parametrize("name", ["a.txt", "more/picture.png", RECORD])
@pytest.mark.parametrize("option", ["--flags", "--write-memory"])
def test_no_further_output_is_a_file_of_the_folder(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path, option: str, name: str
) -> None:
    output = tmp_path / "de"
    given = [tree, "--output-dir", output, option, output / name]
    result = nmt("translate", *given, "--model", skilled_run)
    assert result.code == 2
    assert f"{option} {output / name} is written for --output-dir" in result.err
    assert not output.exists()


def test_own_files_are_no_sources(nmt: Run, skilled_run: Path, tree: Path) -> None:
    """Neither the file of flags, nor what was translated into another folder of the tree."""
    for _ in range(2):
        options = ["--output-dir", tree / "out" / "de", "--flags", tree / "flags.jsonl"]
        translate(nmt, skilled_run, tree, *options)
    before = paths_in(tree / "out" / "de")
    assert before == [RECORD, "a.txt", "more/b.txt", "more/picture.png"]
    options = ["--output-dir", tree / "out" / "at", "--flags", tree / "flags.jsonl"]
    for given in (tree, tree / "**/*"):
        translate(nmt, skilled_run, given, *options)
        assert paths_in(tree / "out" / "at") == before


@pytest.mark.parametrize("pattern", ["more", "more/", "./more", "docs/more/*", "docs/more"])
def test_a_folder_is_excluded_by_its_name_or_path(
    nmt: Run, skilled_run: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(tree.parent)
    translate(nmt, skilled_run, "docs", "--output-dir", "de", "--exclude", pattern)
    assert paths_in(tree.parent / "de") == [RECORD, "a.txt"]


def test_a_pattern_with_a_slash_is_for_the_folder_that_is_named(
    nmt: Run, skilled_run: Path, tree: Path
) -> None:
    output = tree.parent / "de"
    translate(nmt, skilled_run, tree, "--output-dir", output, "--exclude", "*/*")
    assert paths_in(output) == [RECORD, "a.txt"]


def test_a_translation_of_another_command_is_translated_if_its_folder_is_named(
    nmt: Run, skilled_run: Path, tree: Path
) -> None:
    translate(nmt, skilled_run, tree, "--output-dir", tree / "de")
    (tree / "de" / "new.txt").write_text("sun\n")
    result = nmt("translate", tree / "d*/a.txt", "--output-dir", "x", "--model", skilled_run)
    assert result.code == 2
    assert "but translations of an earlier command; name their folder" in result.err
    given = [tree / "de", "--output-dir", tree / "fr"]
    assert "3 files translated, 1 copied" in translate(nmt, skilled_run, *given).err
    own = nmt("translate", *given, "--flags", tree / "de" / "a.txt", "--model", skilled_run)
    assert own.code == 2
    assert "is an input of this command" in own.err


@pytest.mark.parametrize("given", ["docs", "docs/**/*.txt"])
def test_a_folder_that_cannot_be_read_is_told(
    nmt: Run, skilled_run: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    scan = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "more":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.chdir(tree.parent)
    monkeypatch.setattr(os, "scandir", refusing)
    result = nmt("translate", given, "--output-dir", "de", "--model", skilled_run)
    assert result.code == 1
    assert "cannot read the folder docs/more: Permission denied" in result.err
    assert not Path("de").exists()
    options = ["--output-dir", "de", "--exclude", "more"]
    assert "1 file translated" in translate(nmt, skilled_run, given, *options).err
