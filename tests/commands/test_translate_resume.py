"""`nmt translate` that stops early: parts, lines that are kept, and outputs that are continued."""

import fcntl
import gzip
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from nmt.decoding.files.text_files import check_text_files
from nmt.system.json_data import parse_object
from tests.commands.conftest import Model, command, environment, give_stdin, leftovers
from tests.conftest import WORDS, Run
from tests.waiting import wait_until

LINES = [f"{a} {b}" for a in ("sun", "moon", "star") for b in ("rain", "snow", "sun", "", "moon")]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def test_what_was_translated_is_kept_and_the_rest_can_be_added(
    small: Model, tmp_path: Path
) -> None:
    """The first chunk has 32 lines, and the line 41 is bad."""
    source, output, kept = tmp_path / "in.src", tmp_path / "out", tmp_path / "out.partial"
    source.write_bytes(b"sun moon\n" * 40 + b"\xff\nrain\n")
    lost = small.attempt(source, "--output", output)
    _, told, error = lost.err.splitlines()
    assert told == "32 translated lines are discarded; --keep-partial keeps them"
    assert "in.src, line 41: not valid UTF-8" in error
    assert [path.name for path in tmp_path.iterdir()] == ["in.src"]
    keeping = [source, "--output", output, "--keep-partial"]
    stopped = small.attempt(*keeping)
    told = stopped.err.splitlines()[1]
    assert told.startswith(f"the translations of the first 32 lines are kept in {kept}; ")
    assert "`tail -n +33 FILE | nmt translate" in told
    assert (lost.code, stopped.code, output.exists()) == (1, 1, False)
    source.write_bytes(source.read_bytes().replace(b"\xff", b"snow"))
    rest = tmp_path / "rest"
    rest.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[32:]))
    whole = small.translate(source).out
    assert kept.read_text() + small.translate(rest).out == whole
    again = small.attempt(*keeping)
    assert again.code == 2
    assert f"{kept} holds lines that an earlier translation kept; move it away first" in again.err
    kept.unlink()
    small.translate(*keeping)
    assert (output.read_text(), kept.exists()) == (whole, False)


def test_lines_that_are_kept_are_counted_as_in_the_whole_file(small: Model, tmp_path: Path) -> None:
    """The second of two parts has lines 51 to 100, and line 90 is bad."""
    part, kept = tmp_path / "in.src", tmp_path / "out.partial"
    part.write_bytes(b"sun\n" * 89 + b"\xff\n" + b"sun\n" * 10)
    keeping = ["--output", tmp_path / "out", "--keep-partial"]
    result = small.attempt(part, *keeping, "--part", "2/2")
    assert "the translations of lines 51 to 82 are kept in" in result.err
    assert "`tail -n +83 FILE | head -n 18 | nmt translate --output REST`, with" in result.err
    assert kept.read_text().count("\n") == 32


def test_a_name_that_is_too_long_to_keep_is_refused_before_any_work(
    nmt: Run, tmp_path: Path
) -> None:
    """The longest name that fits may be kept; the check needs no model."""
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    (tmp_path / "in.src").write_text("sun\n")
    for folder in (tmp_path, tmp_path / "new"):
        output = folder / ("x" * (longest - 7))
        result = nmt("translate", tmp_path / "in.src", "--output", output, "--keep-partial")
        assert result.code == 2
        assert f"has more than {longest} bytes; give --output a shorter name" in result.err
        check_text_files(tmp_path / "in.src", output)
        check_text_files(tmp_path / "in.src", folder / output.name[1:], keep_partial=True)


def test_parts_joined_are_the_whole(skilled: Model, lines: Path) -> None:
    """With 20 parts of 15 lines, some are empty."""
    parts = [skilled.translate(lines, "--part", f"{number}/20").out for number in range(1, 21)]
    assert "".join(parts) == skilled.translate(lines).out
    assert {part.count("\n") for part in parts} == {0, 1}


def test_a_part_has_its_own_prefixes_and_bad_lines(skilled: Model, lines: Path) -> None:
    """Lines have the numbers of the whole file."""
    prefixes, packed = lines.with_name("prefixes"), lines.with_name("in.src.gz")
    first = skilled.translate(lines).out[0]
    prefixes.write_text("\n" * 10 + f"{first}\n" * 4 + "\u2603\n")
    begun = [lines, "--prefix", prefixes, "--part"]
    part = skilled.lines(*begun, "4/5")  # lines 10 to 12
    assert [line[:1] == first for line in part][1:] == [True, True]
    last = skilled.attempt(*begun, "5/5")
    assert (last.code, "line 15: the prefix has characters" in last.err) == (2, True)
    packed.write_bytes(gzip.compress(b"sun\n\xff\nmoon\nrain\n"))
    bad = skilled.attempt(packed, "--part", "1/2")
    assert (bad.code, "line 2: not valid UTF-8" in bad.err) == (1, True)
    skipping = ["--on-bad-line", "skip", "--part"]
    assert len(skilled.lines(packed, *skipping, "1/2")) == 1


def test_a_finished_output_is_not_written_to_again(
    skilled: Model, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill before the last step leaves the output under both names, as one file."""
    output = tmp_path / "out"
    with monkeypatch.context() as context:
        context.setattr("nmt.decoding.files.resumable.forget", lambda output: None)
        skilled.translate(lines, "--output", output, "--resume")
    first = output.read_bytes()
    lines.write_text(lines.read_text() + "moon moon\n" * 70 + "\udcff\n", errors="surrogateescape")
    stopped = skilled.attempt(lines, "--output", output, "--resume")
    assert stopped.code == 1, stopped.err
    kept = output.with_name("out.partial").read_bytes()
    assert kept.startswith(first)
    assert len(kept) > len(first)
    assert output.read_bytes() == first


def test_a_killed_translation_is_continued(small: Model, big: Path) -> None:
    """SIGKILL, then SIGTERM: nothing is lost and nothing is there twice."""
    big.write_text("".join(big.read_text().splitlines(keepends=True)[:2500]))
    output = big.with_name("out")
    kept, record = big.with_name("out.partial"), big.with_name("out.partial.json")
    counts = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = parse_object(record.read_text(), "it")["lines"] if record.exists() else 0
        with subprocess.Popen(
            command(small.run, big, "--output", output, "--resume", "--beam-size", 1),
            stderr=subprocess.PIPE,
            text=True,
            env=environment(1),
        ) as process:
            wait_until(
                lambda done=before: (  # type: ignore[misc] # a default binds the loop's value
                    record.exists() and parse_object(record.read_text(), "it")["lines"] > done
                ),
                process,
            )
            process.send_signal(number)
            assert process.stderr is not None
            errors = process.stderr.read()
            assert process.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 143)
        counts.append(parse_object(record.read_text(), "it")["lines"])
        assert not output.exists()
    assert "the same command continues after them" in errors
    assert 0 < counts[0] < counts[1] < 2_500
    with kept.open("a") as stream:
        stream.write("half a li")  # as a kill in the middle of a write leaves it
    resumed = [big, "--output", output, "--resume", "--beam-size", 1]
    result = small.attempt(*resumed, "--part", "1/1")
    assert result.code == 2
    assert "was begun with another model or other options" in result.err
    small.translate(*resumed)
    assert output.read_text() == small.translate(big, "--beam-size", 1).out
    assert not kept.exists()
    assert not record.exists()
    for left in leftovers(big.parent):  # SIGKILL leaves an empty file; no name has its process
        assert (big.parent / left).stat().st_size == 0


def interrupted(model: Model, lines: Path) -> list[object]:
    """Translate all but the end of a file, which is a bad line; return how to continue."""
    lines.write_bytes(lines.read_bytes() * 3 + b"\xff\n")
    resumed = ["--output", lines.with_name("out"), "--resume"]
    assert model.attempt(lines, *resumed).code == 1
    return resumed


def test_a_translation_is_continued_after_an_error_and_from_stdin(
    skilled: Model, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk, of 32 lines, is done; the batch size may differ."""
    resumed = interrupted(skilled, lines)
    lines.write_bytes(lines.read_bytes().replace(b"\xff", b"rain"))
    give_stdin(monkeypatch, lines)
    skilled.translate("-", *resumed, "--batch-tokens", 7)
    assert lines.with_name("out").read_text() == skilled.translate(lines).out


def test_a_translation_that_stopped_at_a_bad_line_is_continued_after_it(
    skilled: Model, lines: Path
) -> None:
    """As the message says. The bad line of the second chunk is then treated as it was."""
    prefixes, output = lines.with_name("prefixes"), lines.with_name("out")
    good = b"sun\n" * 40
    lines.write_bytes(good + b"\xff\n" + good * 6)
    prefixes.write_text("SUN\n" * 250 + "\u2603\n" + "\n" * 30)  # refused in the third chunk
    asked = [lines, "--prefix", prefixes]
    resumed = [*asked, "--output", output, "--resume"]
    stopped = skilled.attempt(*resumed)
    assert "line 41: not valid UTF-8" in stopped.err
    assert "or go on with --on-bad-line skip or blank" in stopped.err
    assert "line 251: the prefix has" in skilled.attempt(*resumed, "--on-bad-line", "blank").err
    prefixes.write_text("SUN\n" * 250 + "\n" * 31)
    for _ in range(2):
        refused = skilled.attempt(*resumed, "--on-bad-line", "skip")
        assert refused.code == 2
        assert "was begun with --on-bad-line blank; use that again" in refused.err
    skilled.translate(*resumed, "--on-bad-line", "blank")
    assert output.read_text() == skilled.translate(*asked, "--on-bad-line", "blank").out


def test_scores_do_not_depend_on_where_a_translation_was_stopped(
    skilled: Model, lines: Path
) -> None:
    """They are equal to the last digit: the batches are those of an uninterrupted translation."""
    draw = random.Random(5)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 6))) for _ in range(210)]
    lines.write_text("".join(f"{text}\n" for text in texts))
    asked = [lines, "--token-scores", "--sample", "--n-best", 3]
    resumed = [*asked, "--output", "out", "--resume"]
    whole = skilled.translate(*asked).out
    good = lines.read_bytes()
    given = good.splitlines(keepends=True)
    for bad in (40, 170):  # in the second and in the third chunk
        lines.write_bytes(b"".join([*given[:bad], b"\xff\n", *given[bad + 1 :]]))
        assert skilled.attempt(*resumed).code == 1
    assert Path("out.partial").stat().st_size
    lines.write_bytes(good)
    skilled.translate(*resumed)
    assert Path("out").read_text() == whole


def test_a_refusal_before_the_first_line_leaves_nothing(skilled: Model, lines: Path) -> None:
    """So that the command that the message asks for, with other options, is no other job."""
    resumed = [lines, "--output", lines.with_name("out"), "--resume"]
    lines.write_text("<html><body>sun</body></html>\n")
    assert "name its format" in skilled.attempt(*resumed).err
    assert [path.name for path in lines.parent.iterdir()] == [lines.name]
    skilled.translate(*resumed, "--format", "lines")


def test_what_does_not_continue_an_output_is_refused(skilled: Model, lines: Path) -> None:
    given = [lines, *interrupted(skilled, lines)]
    kept = lines.with_name("out.partial")
    before = kept.read_text()
    assert "was begun with another model" in skilled.attempt(*given, "--beam-size", 2).err
    lines.write_bytes(lines.read_bytes().replace(b"sun", b"snow"))
    changed = skilled.attempt(*given)
    assert (changed.code, "are no longer those of the source" in changed.err) == (2, True)
    assert kept.read_text() == before
    with kept.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "another nmt process is writing" in skilled.attempt(*given).err
    lines.write_bytes(lines.read_bytes().replace(b"snow", b"sun"))
    kept.write_text(before[:-1])
    assert "does not hold what" in skilled.attempt(*given).err
    kept.with_name("out.partial.json").unlink()
    assert "has no record of what it holds" in skilled.attempt(*given).err
    assert not lines.with_name("out").exists()
