"""`nmt translate` of files with a format: one, several, folders; interrupted, edited, damaged."""

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nmt.documents.folders import RECORD
from tests.commands.conftest import give_stdin, leftovers, paths_in, translate
from tests.commands.test_translate_process import command, environment
from tests.conftest import WORDS, Run
from tests.documents.documents import members, zipped
from tests.documents.office.test_epub import book
from tests.waiting import wait_until


def test_a_file_goes_to_stdout_or_to_a_file(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    out = translate(nmt, skilled_run, tree / "a.txt", "--format", "text").out
    first, *_, blank, last = out.splitlines()  # the first paragraph may have several lines
    assert (first, blank, last) == (first.upper(), "", last)
    assert first
    assert "12" in last
    path = tmp_path / "new" / "a.txt"
    translate(nmt, skilled_run, tree / "a.txt", "--format", "text", "--output", path)
    assert path.read_text() == out


def test_stdin_has_the_format_that_is_named(
    nmt: Run, skilled_run: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, tree / "a.txt")
    piped = translate(nmt, skilled_run, "--format", "text").out
    assert piped == translate(nmt, skilled_run, tree / "a.txt", "--format", "text").out


def test_a_text_file_alone_is_plain_lines(nmt: Run, skilled_run: Path, tree: Path) -> None:
    assert translate(nmt, skilled_run, tree / "a.txt").out.count("\n") == 4


def test_a_folder_is_mirrored(nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "de"
    err = translate(nmt, skilled_run, tree, "--output-dir", output).err
    assert "2 files translated, 1 copied" in err
    assert paths_in(output) == [RECORD, "a.txt", "more/b.txt", "more/picture.png"]
    assert (output / "more" / "picture.png").read_bytes() == b"\x89PNG\r\n"
    alone = translate(nmt, skilled_run, tree / "a.txt", "--format", "text").out
    assert (output / "a.txt").read_text() == alone
    assert (output / "more" / "b.txt").read_text().startswith("\n\n  ")


def test_a_stopped_command_says_what_it_leaves(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    folder = ("translate", tree, "--output-dir", output, "--model", skilled_run)
    with monkeypatch.context() as patch:
        patch.setattr("nmt.documents.translate_files.write_bytes", write_one)
        stopped = nmt(*folder)
        (page := tmp_path / "a.html").write_text("<p>sun")
        one = nmt("translate", page, "--output", tmp_path / "b.html", "--model", skilled_run)
    assert (stopped.code, one.code) == (130, 130)
    assert f"stopped; 2 of 3 files are written to {output}; the same command goes on" in stopped.err
    assert one.err.endswith("stopped; nothing was written\n")
    assert "1 file translated" in nmt(*folder).err


def test_files_that_only_share_a_suffix_are_copied(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "main.ts").write_text("export const sun: string = 'moon';\n")
    (folder / "table.csv").write_text("id,name\n1,sun\n")
    err = translate(nmt, skilled_run, folder, "--output-dir", tmp_path / "out").err
    assert "0 files translated, 2 copied" in err
    options = ["--output-dir", tmp_path / "two", "--columns", "name"]
    assert "1 file translated, 1 copied" in translate(nmt, skilled_run, folder, *options).err


def test_the_output_may_lie_in_the_folder(nmt: Run, skilled_run: Path, tree: Path) -> None:
    for _ in range(2):
        translate(nmt, skilled_run, tree, "--output-dir", tree / "de")
    assert not (tree / "de" / "de").exists()


def test_files_and_patterns_are_chosen(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    output = tmp_path / "de"
    translate(nmt, skilled_run, tree / "**" / "b.*", "--output-dir", output)
    assert paths_in(output) == [RECORD, "more/b.txt"]
    options = ["--include", "*.txt", "--exclude", "more", "--output-dir", tmp_path / "two"]
    translate(nmt, skilled_run, tree, *options)
    assert paths_in(tmp_path / "two") == [RECORD, "a.txt"]
    err = translate(nmt, skilled_run, tree, "--others", "list", "--output-dir", tmp_path / "3").err
    assert "their format is not known: " in err
    assert "picture.png" in err
    assert paths_in(tmp_path / "3") == [RECORD, "a.txt", "more/b.txt"]


def test_the_same_command_continues(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    """A file that is missing or changed is translated again, and no other."""
    output = tmp_path / "de"
    translate(nmt, skilled_run, tree, "--output-dir", output)
    assert (
        "0 files translated, 3 done before"
        in translate(nmt, skilled_run, tree, "--output-dir", output).err
    )
    with (output / RECORD).open("a") as record:
        record.write('{"file": "a.tx')  # as if the command had been killed
    (output / "a.txt").unlink()
    (tree / "more" / "b.txt").write_text("tree\n")
    err = translate(nmt, skilled_run, tree, "--output-dir", output).err
    assert "2 files translated, 1 done before" in err
    assert "0 files" in translate(nmt, skilled_run, tree, "--output-dir", output).err
    err = translate(nmt, skilled_run, tree, "--output-dir", output, "--beam-size", 1).err
    assert "2 files translated, 1 copied" in err  # the work is another


def test_flags_of_files_that_are_done_are_kept(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    folder, output, flags = tmp_path / "docs", tmp_path / "de", tmp_path / "flags.jsonl"
    folder.mkdir()
    (folder / "a.txt").write_text("sun \u2603\u2603 zebra qqq\n")
    (folder / "b.txt").write_text("sun moon\n")
    given = ["translate", folder, "--output-dir", output, "--model", skilled_run]
    options = ["--flags", flags, "--strict"]
    first = nmt(*given, *options)
    assert first.code == 1
    before = flags.read_text()
    assert before.count("\n") == 1
    (output / "b.txt").unlink()
    again = nmt(*given, *options)
    assert "1 file translated, 1 done before" in again.err
    assert (again.code, "1 segment is flagged" in again.err) == (1, True)
    assert flags.read_text() == before
    memory = nmt(*given, "--write-memory", tmp_path / "m.tmx")
    assert memory.code == 2
    assert "is translated already, and --write-memory would lack its segments" in memory.err


def test_a_pattern_leaves_out_hidden_files_and_the_output(
    nmt: Run, skilled_run: Path, tree: Path
) -> None:
    for expected in ("2 files translated", "2 done before"):
        err = translate(nmt, skilled_run, tree / "**/*.txt", "--output-dir", tree / "de").err
        assert expected in err


def test_names_that_are_not_utf_8_and_a_damaged_record(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"bad\xff.txt")
    (tree / "a.txt").rename(tree / name)
    output, flags = tmp_path / "de", tmp_path / "flags"
    options = ["--output-dir", output, "--flags", flags]
    translate(nmt, skilled_run, tree, *options)
    assert (output / name).is_file()
    with (output / RECORD).open("ab") as record:
        record.write(b"\xff\0\n")
    assert "3 done before" in translate(nmt, skilled_run, tree, *options).err


def test_a_text_that_is_too_long_for_the_memory_is_told(
    nmt: Run, skilled_run: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.documents.translate_files.LONGEST", 5)
    given = [tree / "a.txt", "--format", "text", "--model", skilled_run]
    result = nmt("translate", *given)
    assert result.code == 1
    assert "characters, more than 5; split it" in result.err


def test_an_edited_translation_stays(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    output = tmp_path / "de"
    translate(nmt, skilled_run, tree, "--output-dir", output)
    (output / "a.txt").write_text("edited")
    assert "3 done before" in translate(nmt, skilled_run, tree, "--output-dir", output).err
    (tree / "a.txt").write_text("moon")
    result = nmt("translate", tree, "--output-dir", output, "--model", skilled_run)
    assert result.code == 2
    assert "a.txt" in result.err
    assert f"{output / 'a.txt'} was changed after `nmt translate` wrote it" in result.err
    assert (output / "a.txt").read_text() == "edited"


def test_a_file_of_another_program_stays(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    output = tmp_path / "de"
    output.mkdir()
    (output / "a.txt").write_text("mine")
    result = nmt("translate", tree, "--output-dir", output, "--model", skilled_run)
    assert result.code == 2
    assert f"{output / 'a.txt'} was not written by `nmt translate`" in result.err
    assert paths_in(output) == [RECORD, "a.txt"]


def test_what_a_killed_command_did_not_record_is_written_again(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    output = tmp_path / "de"
    translate(nmt, skilled_run, tree, "--output-dir", output)
    lines = (output / RECORD).read_text().splitlines(keepends=True)
    begun = [line for line in lines if not json.loads(line)["source"]]
    assert len(begun) == len(lines) / 2 == 3
    (output / RECORD).write_text("".join(begun))
    assert "done before" not in translate(nmt, skilled_run, tree, "--output-dir", output).err


def test_a_damaged_file_does_not_stop_the_others(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    (tree / "a.txt").write_bytes(b"sun\nmo\xffon\n")
    (tree / "x.ts").symlink_to("absent")
    result = nmt("translate", tree, "--output-dir", tmp_path / "de", "--model", skilled_run)
    assert result.code == 1
    assert f"{tree / 'x.ts'} does not exist" in result.err
    assert f"{tree / 'a.txt'}: line 2: the bytes at offset 6 are not utf-8" in result.err
    assert "2 of the files could not be translated" in result.err
    assert paths_in(tmp_path / "de") == [RECORD, "more/b.txt", "more/picture.png"]
    assert not leftovers(tmp_path)


def test_sources_are_never_overwritten(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path
) -> None:
    before = (tree / "a.txt").read_bytes()
    for given in ([tree], [tree / "a.txt"], [tree / "*.txt"]):
        result = nmt("translate", *given, "--output-dir", tree, "--model", skilled_run)
        assert result.code == 2
        assert "sources are never overwritten" in result.err
    two = tmp_path / "two"
    shutil.copytree(tree, two)
    result = nmt("translate", tree, two, "--output-dir", tmp_path / "x", "--model", skilled_run)
    assert "would both be written to" in result.err
    assert (tree / "a.txt").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["{tree}"], "is a folder; add --output-dir"),
        (["{tree}/a.txt", "{tree}/more/b.txt"], "2 files need --output-dir"),
        (["--output-dir", "{tree}/x"], "--output-dir needs files"),
        (["{tree}/none.md", "--output-dir", "{tree}/x"], "there is no file or folder"),
        (["{tree}/*.md", "--output-dir", "{tree}/x"], "no file matches the pattern"),
        (["{tree}/a.txt", "--format", "text", "--n-best", "2"], "--n-best is for plain lines"),
        (["{tree}/a.txt", "--format", "text", "--columns", "1"], "--columns is for tables"),
        (["{tree}/a.txt", "--memory", "m.tmx"], "--memory is for files with a format"),
        (["{tree}/a.txt", "--format", "text", "--include", "*"], "--include is for folders"),
        (["{tree}/a.xml"], "no format reads .xml files of this name; name its format"),
        (["{tree}/a.txt", "--flags", "-"], "--flags writes a file and cannot write to stdout"),
        (["{tree}/a.txt", "--format", "nothing"], "there is no format 'nothing'"),
        (["{tree}", "--output", "o", "--output-dir", "{tree}/x"], "use one of them"),
    ],
)
def test_mistakes_are_told(
    nmt: Run, skilled_run: Path, tree: Path, options: list[str], message: str
) -> None:
    given = [option.format(tree=tree) for option in options]
    result = nmt("translate", *given, "--model", skilled_run)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("a.md", "b.html"),
        ("a.docx", "b.odt"),
        ("a.docx", "b.txt"),
        ("a.epub", "b.xlsx"),
        ("a.html", "b.php"),
    ],
)
def test_an_output_with_the_suffix_of_another_format_is_refused(
    nmt: Run, skilled_run: Path, tmp_path: Path, name: str, other: str
) -> None:
    source, output = tmp_path / name, tmp_path / other
    source.write_text("sun moon\n")
    result = nmt("translate", source, "--output", output, "--model", skilled_run)
    assert result.code == 2
    assert f"{output}: the translation of {source} is a file of the format" in result.err
    assert not output.exists()


def test_files_of_other_programs_are_named_with_a_way_that_works(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    source = tmp_path / "a.xlsx"
    source.write_bytes(b"PK\3\4\0\xff")
    result = nmt("translate", source, "--model", skilled_run)
    assert result.code == 2
    assert ".xlsx files are not supported; save it as .csv" in result.err
    assert "--format" not in result.err


@pytest.mark.parametrize("name", ["page.html.j2", "page.html.erb", "page.php"])
def test_a_template_is_never_plain_lines(
    nmt: Run, skilled_run: Path, tmp_path: Path, name: str
) -> None:
    source = tmp_path / name
    source.write_text("<p>sun {{ moon }} <%= star %></p>\n")
    result = nmt("translate", source, "--model", skilled_run)
    assert result.code == 2
    assert "--format html" in result.err
    output = tmp_path / f"new.{name}"
    translate(nmt, skilled_run, source, "--format", "html", "--output", output)
    assert {"{{ moon }}", "<%= star %>"} <= {*re.findall(r"{{.*?}}|<%.*?%>", output.read_text())}


def test_wrapped_lines_of_a_text_are_noted(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """A paragraph is broken at a width; the lines of a corpus are not."""
    wrapped, corpus = tmp_path / "letter.txt", tmp_path / "corpus.txt"
    wrapped.write_text("sun moon star rain\nwind tree leaf\nroot seed star sun\nmoon star\n")
    corpus.write_text("sun moon star rain\nwind\nroot seed\nmoon star wind\nleaf sun\n")
    assert "add --format text" in translate(nmt, skilled_run, wrapped).err
    assert "--format" not in translate(nmt, skilled_run, corpus).err


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        (  # a browser reads the first end tag as a part of the comment
            "a.html",
            "<script>a = '<!-- <script> </script> sun'; // --></script><p>moon</p>",
            "<script>a = '<!-- <script> </script> sun'; // --></script>",
        ),
        (
            "strings.xml",
            '<resources><string name="a">moon <!-- sun --> star</string></resources>',
            "<!-- sun -->",
        ),
        (
            "strings.xml",
            r'<resources><string name="a">moon star\nrain wind.</string></resources>',
            r"\n",
        ),
        (
            "b.html",
            "---\ntitle: moon star\nlayout: sun\n---\n<p>rain</p>\n",
            "\nlayout: sun\n---\n<p>",
        ),
        (
            "a.po",
            'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=3; plural=n>2?2:n>1;\\n"\n\n'
            'msgid "moon"\nmsgid_plural "star rain"\nmsgstr[0] ""\n',
            "nplurals=3; plural=n>2?2:n>1;",
        ),
    ],
)
def test_other_parts_of_files_stay(
    nmt: Run, skilled_run: Path, tmp_path: Path, name: str, content: str, kept: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    out = translate(nmt, skilled_run, file).out
    assert kept in out
    assert {"MOON", "RAIN"} & {*re.findall(r"\w+", out)}


def test_a_rule_of_plurals_that_cannot_be_read_is_refused(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.po"
    rule = "nplurals=two; plural=n>1;"
    message = 'msgid "moon"\nmsgid_plural "star"\nmsgstr[0] ""\n'
    file.write_text(f'msgid ""\nmsgstr ""\n"Plural-Forms: {rule}\\n"\n\n{message}')
    result = nmt("translate", file, "--model", skilled_run)
    assert result.code == 1
    assert f"{file}: line 1: Plural-Forms {rule!r} is no plural rule" in result.err


def test_deep_lists_are_translated(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("".join(f"{'  ' * depth}- moon\n" for depth in range(25)))
    out = translate(nmt, skilled_run, file).out
    assert out.count("- MOON") == 25


def test_chapters_that_a_book_lacks_are_reported(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.epub"
    parts = members(book())
    item = b'<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest>'
    name = "OEBPS/book.opf"
    file.write_bytes(zipped(parts | {name: parts[name].replace(b"</manifest>", item)}))
    err = translate(nmt, skilled_run, file, "--output", tmp_path / "b.epub").err
    assert "OEBPS/gone.xhtml: OEBPS/book.opf names this text, but the book lacks it" in err


def test_a_threshold_that_is_no_number_is_refused(nmt: Run, tree: Path) -> None:
    result = nmt("translate", tree / "a.txt", "--memory", "m.tmx", "--memory-threshold", "nan")
    assert (result.code, "'nan' is not a number" in result.err) == (2, True)


def test_flags_tell_the_file_and_the_place(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source, flags = tmp_path / "a.txt", tmp_path / "flags.jsonl"
    source.write_text("sun moon\n\nsun \u2603\u2603 zebra qqq\n")
    options = ["--format", "text", "--flags", flags]
    translate(nmt, skilled_run, source, *options)
    rows = [json.loads(line) for line in flags.read_text().splitlines()]
    assert all(row["file"] == str(source) and row["flags"] for row in rows)
    assert {row["place"] for row in rows} <= {"line 1", "line 3"}


def test_a_killed_command_continues_to_the_same_files(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    draw = random.Random(4)
    folder, output = tmp_path / "docs", tmp_path / "de"
    folder.mkdir()
    for number in range(30):
        lines = (" ".join(draw.choices(WORDS, k=4)) for _ in range(60))
        (folder / f"{number}.txt").write_text("\n\n".join(lines))
    whole = tmp_path / "whole"
    translate(nmt, skilled_run, folder, "--output-dir", whole)
    record = output / RECORD
    arguments = command(skilled_run, folder, "--output-dir", output)
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=environment()) as process:
        wait_until(lambda: record.exists() and record.read_text().count('"source": ""') >= 6)
        process.kill()
    entries = map(json.loads, record.read_text().splitlines())
    done = {entry["file"] for entry in entries if entry["source"]}  # the others were only begun
    assert 5 <= len(done) < 30
    times = {name: (output / name).stat().st_mtime_ns for name in done}
    translate(nmt, skilled_run, folder, "--output-dir", output)
    assert {name: (output / name).stat().st_mtime_ns for name in done} == times
    for path in folder.iterdir():
        assert (output / path.name).read_bytes() == (whole / path.name).read_bytes()


def test_a_copy_stays_executable_and_may_be_large(
    nmt: Run, skilled_run: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only files with a format must fit into the memory."""
    monkeypatch.setattr("nmt.documents.translate_files.MOST_BYTES", 60)
    monkeypatch.setattr("nmt.documents.translate_files.COPIED_BYTES", 7)
    script = tree / "run"
    script.write_text("#!/bin/sh\n" + "echo sun\n" * 20)
    script.chmod(0o555)
    translate(nmt, skilled_run, tree, "--output-dir", tmp_path / "de")
    copy = tmp_path / "de" / "run"
    assert copy.read_bytes() == script.read_bytes()
    assert copy.stat().st_mode & 0o311 == 0o311  # executable, and writable for the next command


def test_a_stdin_that_is_too_large_is_refused(
    nmt: Run, skilled_run: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.documents.translate_files.MOST_BYTES", 10)
    give_stdin(monkeypatch, tree / "a.txt")
    result = nmt("translate", "--format", "text", "--model", skilled_run)
    assert (result.code, result.out) == (1, "")
    assert "stdin has more than 10 bytes" in result.err
