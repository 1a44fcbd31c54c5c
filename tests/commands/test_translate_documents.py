"""`nmt translate` of files with a format: one, several, folders; interrupted, edited, damaged."""

import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from nmt.documents.folders import RECORD
from tests.commands.conftest import Model, command, environment, give_stdin, leftovers, paths_in
from tests.conftest import WORDS
from tests.waiting import wait_until


def test_a_file_goes_to_stdout_or_to_a_file(
    skilled: Model, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text file without a format is plain lines, with a note if its lines are wrapped."""
    asked = ["--format", "text"]
    out = skilled.translate(tree / "a.txt", *asked).out
    first, *_, blank, last = out.splitlines()  # the first paragraph may have several lines
    assert (first.isupper(), blank, "12" in last) == (True, "", True)
    path = tmp_path / "new" / "a.txt"
    skilled.translate(tree / "a.txt", *asked, "--output", path)
    assert path.read_text() == out
    give_stdin(monkeypatch, tree / "a.txt")
    assert skilled.translate(*asked).out == out
    plain = skilled.translate(tree / "a.txt")
    assert (plain.out.count("\n"), "--format" in plain.err) == (4, False)
    path.write_text("sun moon star rain\nwind tree leaf\nroot seed star sun\nmoon star\n")
    assert "add --format text" in skilled.translate(path).err


def test_a_folder_is_mirrored(skilled: Model, tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "de"
    err = skilled.translate(tree, "--output-dir", output).err
    assert "2 files translated, 1 copied" in err
    assert (output / "more" / "picture.png").read_bytes() == b"\x89PNG\r\n"
    (tree / "table.csv").write_text("id,name\n1,sun\n")
    listed = skilled.translate(tree, "--output-dir", tmp_path / "texts", "--others", "list").err
    assert re.search(r"their format is not known: \S*picture\.png$", listed, re.MULTILINE)
    assert re.search(r"no --columns name what to .*: \S*table\.csv$", listed, re.MULTILINE)
    assert paths_in(tmp_path / "texts") == [RECORD, "a.txt", "more/b.txt"]
    alone = skilled.translate(tree / "a.txt", "--format", "text").out
    assert (output / "a.txt").read_text() == alone
    assert (output / "more" / "b.txt").read_text().startswith("\n\n  ")


def test_a_stopped_command_says_what_it_leaves(
    skilled: Model, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write_one(path: Path, content: bytes) -> None:
        """Write a file; Ctrl-C comes before the second one."""
        if written:
            raise KeyboardInterrupt
        written.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    output = tmp_path / "de"
    folder = (tree, "--output-dir", output)
    with monkeypatch.context() as patch:
        patch.setattr("nmt.documents.translate_files.write_bytes", write_one)
        stopped = skilled.attempt(*folder)
        (page := tmp_path / "a.html").write_text("<p>sun")
        one = skilled.attempt(page, "--output", tmp_path / "b.html")
    assert (stopped.code, one.code) == (130, 130)
    assert f"stopped; 2 of 3 files are written to {output}; the same command goes on" in stopped.err
    assert one.err.endswith("stopped; nothing was written\n")
    assert "1 file translated" in skilled.attempt(*folder).err


def test_files_that_only_share_a_suffix_are_copied(skilled: Model, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.ts").write_text("export const sun: string = 'moon';\n")
    (tmp_path / "src" / "table.csv").write_text("id,name\n1,sun\n")
    for options, told in (([], "0 files translated, 2 copied"), (["--columns", "name"], "1 file")):
        err = skilled.translate("src", "--output-dir", f"out{len(options)}", *options).err
        assert told in err


def test_own_files_are_no_sources(skilled: Model, tree: Path) -> None:
    """Neither the file of flags, nor what was translated into another folder of the tree."""
    flags = ["--flags", tree / "flags.jsonl"]
    for _ in range(2):
        skilled.translate(tree, "--output-dir", tree / "out" / "de", *flags)
    before = paths_in(tree / "out" / "de")
    assert before == [RECORD, "a.txt", "more/b.txt", "more/picture.png"]
    skilled.translate(tree / "**/*", "--output-dir", tree / "out" / "at", *flags)
    assert paths_in(tree / "out" / "at") == before
    result = skilled.attempt(tree / "out/d*/a.txt", "--output-dir", "x")
    assert "but translations of an earlier command; name their folder" in result.err


def test_the_same_command_continues(skilled: Model, tree: Path, tmp_path: Path) -> None:
    """A file that is missing or changed is translated again, and no other.

    A killed command may leave its record unfinished, or without the end of a file.
    """
    output = tmp_path / "de"
    asked = [tree, "--output-dir", output]
    skilled.translate(*asked)
    with (output / RECORD).open("ab") as record:
        record.write(b'\xff\0\n{"file": "a.tx')
    (output / "a.txt").unlink()
    (tree / "more" / "b.txt").write_text("tree\n")
    assert "2 files translated, 1 done before" in skilled.translate(*asked).err
    assert "0 files translated, 3 done before" in skilled.translate(*asked).err
    assert "2 files translated, 1 copied" in skilled.translate(*asked, "--beam-size", 1).err
    lines = (output / RECORD).read_bytes().splitlines(keepends=True)
    begun = [line for line in lines if b'"source": ""' in line]
    (output / RECORD).write_bytes(b"".join(begun))
    assert "done before" not in skilled.translate(*asked, "--beam-size", 1).err


def test_flags_of_files_that_are_done_are_kept(skilled: Model, tmp_path: Path) -> None:
    folder, output, flags = tmp_path / "docs", tmp_path / "de", tmp_path / "flags.jsonl"
    folder.mkdir()
    (folder / "a.txt").write_text("sun \u2603\u2603 zebra qqq\n")
    (folder / "b.txt").write_text("sun moon\n")
    given = [folder, "--output-dir", output]
    options = ["--flags", flags, "--strict"]
    first = skilled.attempt(*given, *options)
    assert first.code == 1
    before = flags.read_text()
    (row,) = map(json.loads, before.splitlines())
    assert (row["file"], row["place"]) == (str(folder / "a.txt"), "line 1")
    (output / "b.txt").unlink()
    again = skilled.attempt(*given, *options)
    assert "1 file translated, 1 done before" in again.err
    assert (again.code, "1 segment is flagged" in again.err) == (1, True)
    assert flags.read_text() == before
    memory = skilled.attempt(*given, "--write-memory", tmp_path / "m.tmx")
    assert "is translated already, and --write-memory would lack its segments" in memory.err


def test_files_of_users_and_other_programs_stay(skilled: Model, tree: Path, tmp_path: Path) -> None:
    """A name that is not UTF-8 is no obstacle."""
    name = os.fsdecode(b"bad\xff.txt")
    source, output = (tree / "a.txt").rename(tree / name), tmp_path / "de"
    asked = [tree, "--output-dir", output]
    skilled.translate(*asked)
    (output / name).write_text("edited")
    assert "3 done before" in skilled.translate(*asked).err
    source.write_text("moon")
    result = skilled.attempt(*asked)
    assert (result.code, "was changed after `nmt translate` wrote it" in result.err) == (2, True)
    assert (output / name).read_text() == "edited"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("mine")
    result = skilled.attempt(tree, "--output-dir", tmp_path / "other")
    assert (result.code, "was not written by `nmt translate`" in result.err) == (2, True)
    assert paths_in(tmp_path / "other") == sorted([RECORD, name])
    result = skilled.attempt(tree, tmp_path / "other", "--output-dir", tmp_path / "x")
    assert (result.code, "would both be written to" in result.err) == (2, True)


def test_a_damaged_file_does_not_stop_the_others(
    skilled: Model, tree: Path, tmp_path: Path
) -> None:
    (tree / "a.txt").write_bytes(b"sun\nmo\xffon\n")
    (tree / "x.ts").symlink_to("absent")
    result = skilled.attempt(tree, "--output-dir", tmp_path / "de")
    assert result.code == 1
    assert f"{tree / 'x.ts'} does not exist" in result.err
    assert "2 files could not be translated; the first: " in result.err
    assert f"{tree / 'a.txt'}: line 2: the bytes at offset 6 are not utf-8" in result.err
    assert paths_in(tmp_path / "de") == [RECORD, "more/b.txt", "more/picture.png"]
    assert not leftovers(tmp_path)


def test_what_is_too_large_is_told(
    skilled: Model, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only files with a format must fit into the memory. A copy stays executable."""
    monkeypatch.setattr("nmt.documents.translate_files.MOST_BYTES", 60)
    script = tree / "run"
    script.write_text("#!/bin/sh\n" + "echo sun\n" * 20)
    script.chmod(0o555)
    skilled.translate(tree, "--output-dir", tmp_path / "de")
    copy = tmp_path / "de" / "run"
    assert copy.read_bytes() == script.read_bytes()
    assert copy.stat().st_mode & 0o311 == 0o311  # executable, and writable for the next command
    for name, most, given, message in (
        ("LONGEST", 5, [tree / "a.txt"], "characters, more than 5; split it"),
        ("MOST_BYTES", 10, [], "stdin has more than 10 bytes"),
    ):
        give_stdin(monkeypatch, tree / "a.txt")
        with monkeypatch.context() as patch:
            patch.setattr(f"nmt.documents.translate_files.{name}", most)
            result = skilled.attempt(*given, "--format", "text")
        assert (result.code, result.out, message in result.err) == (1, "", True)


def test_a_killed_command_continues_to_the_same_files(skilled: Model, tmp_path: Path) -> None:
    draw = random.Random(4)
    folder, output = tmp_path / "docs", tmp_path / "de"
    folder.mkdir()
    for number in range(30):
        lines = (" ".join(draw.choices(WORDS, k=4)) for _ in range(9))
        (folder / f"{number}.txt").write_text("\n\n".join(lines))
    whole = tmp_path / "whole"
    skilled.translate(folder, "--output-dir", whole)
    record = output / RECORD
    arguments = command(skilled.run, folder, "--output-dir", output)
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=environment()) as process:
        wait_until(lambda: record.exists() and record.read_text().count('"source": ""') >= 6)
        process.kill()
    entries = map(json.loads, record.read_text().splitlines())
    done = {entry["file"] for entry in entries if entry["source"]}  # the others were only begun
    assert 5 <= len(done) < 30
    times = {name: (output / name).stat().st_mtime_ns for name in done}
    skilled.translate(folder, "--output-dir", output)
    assert {name: (output / name).stat().st_mtime_ns for name in done} == times
    for path in folder.iterdir():
        assert (output / path.name).read_bytes() == (whole / path.name).read_bytes()


def test_a_memory_that_was_written_is_used_again(skilled: Model, tmp_path: Path) -> None:
    source, memory, out = (tmp_path / name for name in ("a.txt", "new.tmx", "out.txt"))
    source.write_text("sun moon\n\nrain 12\n")
    asked = [source, "--format", "text", "--output", out]
    skilled.translate(*asked, "--write-memory", memory)
    first = out.read_text()
    source.write_text("sun moon\n\nrain 13\n")
    result = skilled.translate(*asked, "--memory", memory)
    assert out.read_text() == first.replace("12", "13")
    assert "1 from the memory 100 %, 1 from the memory 99 %" in result.err
    result = skilled.translate(*asked, "--memory", memory, "--memory-threshold", "1")
    assert "1 from the memory 100 %, 1 translated" in result.err
    memory.write_text('<tmx version="1.4"><header/><body/></tmx>')
    result = skilled.translate(*asked, "--memory", memory)
    assert f"{memory}: no unit has texts in both languages of the model" in result.err
