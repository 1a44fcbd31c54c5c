"""`nmt translate` of large files: parts for several machines, outputs that are continued."""

import fcntl
import gzip
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from nmt.system.json_data import parse_object
from tests.commands.conftest import give_stdin, leftovers, translate
from tests.commands.test_translate_process import command, environment
from tests.conftest import WORDS, Run
from tests.waiting import wait_until

LINES = [f"{a} {b}" for a in ("sun", "moon", "star") for b in ("rain", "snow", "sun", "", "moon")]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def test_a_finished_output_is_not_written_to_again(
    nmt: Run, skilled_run: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill before the last step leaves the output under both names, as one file."""
    output = tmp_path / "out"
    with monkeypatch.context() as context:
        context.setattr("nmt.decoding.files.resumable.forget", lambda output: None)
        translate(nmt, skilled_run, lines, "--output", output, "--resume")
    first = output.read_bytes()
    lines.write_text(lines.read_text() + "moon moon\n" * 70 + "\udcff\n", errors="surrogateescape")
    stopped = nmt("translate", lines, "--model", skilled_run, "--output", output, "--resume")
    assert stopped.code == 1, stopped.err
    assert output.with_name("out.partial").read_bytes().startswith(first)
    assert output.with_name("out.partial").stat().st_size > len(first)
    assert output.read_bytes() == first


@pytest.mark.parametrize("count", [1, 4, 20])
def test_parts_joined_are_the_whole(nmt: Run, skilled_run: Path, lines: Path, count: int) -> None:
    """With 20 parts of 15 lines, some are empty."""
    whole = translate(nmt, skilled_run, lines).out
    parts = [
        translate(nmt, skilled_run, lines, "--part", f"{number}/{count}").out
        for number in range(1, count + 1)
    ]
    assert "".join(parts) == whole
    sizes = {part.count("\n") for part in parts}
    assert max(sizes) - min(sizes) <= 1


def test_a_part_takes_its_own_prefixes_and_names_lines_of_the_whole_file(
    nmt: Run, skilled_run: Path, lines: Path, tmp_path: Path
) -> None:
    prefixes = tmp_path / "prefixes"
    first = translate(nmt, skilled_run, lines).out[0]
    prefixes.write_text("\n" * 10 + f"{first}\n" * 4 + "\u2603\n")
    arguments = [lines, "--prefix", prefixes, "--model", skilled_run]
    part = nmt("translate", *arguments, "--part", "4/5")  # lines 10 to 12
    assert part.code == 0, part.err
    assert [line[:1] == first for line in part.out.splitlines()][1:] == [True, True]
    last = nmt("translate", *arguments, "--part", "5/5")
    assert last.code == 2
    assert "line 15: the prefix has characters" in last.err


def test_bad_lines_matter_to_their_own_part_only(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "in.src.gz"
    path.write_bytes(gzip.compress(b"sun\n\xff\nmoon\nrain\n"))
    first = nmt("translate", path, "--model", skilled_run, "--part", "1/2")
    assert first.code == 1
    assert "line 2: not valid UTF-8" in first.err
    skipping = ["--on-bad-line", "skip", "--model", skilled_run]
    assert nmt("translate", path, "--part", "1/2", *skipping).out.count("\n") == 1
    second = nmt("translate", path, "--part", "2/2", *skipping)
    assert second.out.count("\n") == 2
    assert "left out" not in second.err


def test_a_killed_translation_is_continued(nmt: Run, tiny_run: Path, big: Path) -> None:
    """SIGKILL, then SIGTERM: nothing is lost and nothing is there twice."""
    big.write_text("".join(big.read_text().splitlines(keepends=True)[:8000]))
    output = big.with_name("out")
    kept, record = big.with_name("out.partial"), big.with_name("out.partial.json")
    counts = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = parse_object(record.read_text(), "it")["lines"] if record.exists() else 0
        with subprocess.Popen(
            command(tiny_run, big, "--output", output, "--resume", "--beam-size", 1),
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
    assert "the same command with --resume continues after them" in errors
    assert 0 < counts[0] < counts[1] < 8_000
    with kept.open("a") as stream:
        stream.write("half a li")  # as a kill in the middle of a write leaves it
    result = nmt("translate", big, "--model", tiny_run, "--output", output, "--resume",
                 "--beam-size", 1, "--part", "1/1")  # fmt: skip
    assert result.code == 2
    assert "was begun with another model or other options" in result.err
    translate(nmt, tiny_run, big, "--output", output, "--resume", "--beam-size", 1)
    assert output.read_text() == translate(nmt, tiny_run, big, "--beam-size", 1).out
    assert not kept.exists()
    assert not record.exists()
    for left in leftovers(big.parent):  # SIGKILL leaves an empty file; no name has its process
        assert (big.parent / left).stat().st_size == 0


def test_a_bad_line_with_a_prefix_does_not_stop_a_continuation(
    nmt: Run, skilled_run: Path, lines: Path
) -> None:
    """The record of what was asked for holds its prefix, although nothing is asked of it."""
    lines.write_bytes(b"sun\n\xff\n" + 40 * b"moon\n")
    prefixes, output = lines.with_name("prefixes"), lines.with_name("out")
    arguments = ["translate", lines, "--model", skilled_run, "--output", output, "--resume"]
    arguments += ["--on-bad-line", "blank", "--prefix", prefixes]
    prefixes.write_text("SUN\n" * 35)  # too short: the command stops after a chunk
    assert "35 lines but the source has more" in nmt(*arguments).err
    assert output.with_name("out.partial").read_text().count("\n") == 32
    prefixes.write_text("SUN\n" * 42)
    result = nmt(*arguments)
    assert result.code == 0, result.err
    assert output.read_text().split("\n")[1] == ""


def interrupted(nmt: Run, run: Path, lines: Path, bad: bytes) -> Path:
    """Translate all but the end of a file, which is a bad line; return the output's path."""
    good = lines.read_bytes() * 3
    lines.write_bytes(good + bad)
    output = lines.with_name("out")
    result = nmt("translate", lines, "--model", run, "--output", output, "--resume")
    assert result.code == 1
    return output


def test_a_translation_is_continued_after_an_error_and_from_stdin(
    nmt: Run, skilled_run: Path, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk, of 32 lines, is done; the batch size may differ."""
    output = interrupted(nmt, skilled_run, lines, b"\xff\n")
    lines.write_bytes(lines.read_bytes().replace(b"\xff", b"rain"))
    give_stdin(monkeypatch, lines)
    translate(nmt, skilled_run, "-", "--output", output, "--resume", "--batch-tokens", 7)
    assert output.read_text() == translate(nmt, skilled_run, lines).out


def test_a_translation_that_stops_twice_at_one_place_is_continued(
    nmt: Run, skilled_run: Path, lines: Path
) -> None:
    """The second command writes no line, so what the record says stays true."""
    output = interrupted(nmt, skilled_run, lines, b"\xff\n")
    resumed = ["--model", skilled_run, "--output", output, "--resume"]
    assert nmt("translate", lines, *resumed).code == 1
    lines.write_bytes(lines.read_bytes().replace(b"\xff", b"rain"))
    translate(nmt, skilled_run, lines, "--output", output, "--resume")
    assert output.read_text() == translate(nmt, skilled_run, lines).out


@pytest.mark.parametrize(("action", "other"), [("skip", "blank"), ("blank", "skip")])
def test_a_translation_that_stopped_at_a_bad_line_is_continued_after_it(
    nmt: Run, skilled_run: Path, lines: Path, action: str, other: str
) -> None:
    """As the message says. The bad line of the second chunk is then treated as it was."""
    prefixes, output = lines.with_name("prefixes"), lines.with_name("out")
    good = b"sun\n" * 40
    lines.write_bytes(good + b"\xff\n" + good * 6)
    prefixes.write_text("\n" * 250 + "\u2603\n" + "\n" * 30)  # refused in the third chunk
    asked = ["translate", lines, "--prefix", prefixes, "--model", skilled_run]
    resumed = [*asked, "--output", output, "--resume"]
    stopped = nmt(*resumed)
    assert "line 41: not valid UTF-8" in stopped.err
    assert "or go on with --on-bad-line skip or blank" in stopped.err
    assert "line 251: the prefix has" in nmt(*resumed, "--on-bad-line", action).err
    prefixes.write_text("\n" * 281)
    for _ in range(2):
        refused = nmt(*resumed, "--on-bad-line", other)
        assert refused.code == 2
        assert f"was begun with --on-bad-line {action}; use that again" in refused.err
    result = nmt(*resumed, "--on-bad-line", action)
    assert result.code == 0
    assert output.read_text() == nmt(*asked, "--on-bad-line", action).out


@pytest.mark.parametrize(
    "flags", [["--output-format", "moses"], ["--token-scores"], ["--sample"], ["--mbr", "chrf"]]
)
def test_scores_do_not_depend_on_where_a_translation_was_stopped(
    nmt: Run, skilled_run: Path, big: Path, flags: list[str]
) -> None:
    """They are equal to the last digit: the batches are those of an uninterrupted translation."""
    draw = random.Random(5)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 6))) for _ in range(210)]
    big.write_text("".join(f"{text}\n" for text in texts))
    asked = [*flags, "--n-best", 3]
    whole = translate(nmt, skilled_run, big, *asked).out
    output = big.with_name("out")
    good = big.read_bytes()
    lines = good.splitlines(keepends=True)
    for bad in (40, 170):  # in the second and in the third chunk
        big.write_bytes(b"".join([*lines[:bad], b"\xff\n", *lines[bad + 1 :]]))
        resumed = ["--model", skilled_run, "--output", output, "--resume"]
        assert nmt("translate", big, *asked, *resumed).code == 1
    assert big.with_name("out.partial").stat().st_size
    big.write_bytes(good)
    translate(nmt, skilled_run, big, *asked, "--output", output, "--resume")
    assert output.read_text() == whole


def test_what_does_not_continue_an_output_is_refused(
    nmt: Run, skilled_run: Path, lines: Path
) -> None:
    output = interrupted(nmt, skilled_run, lines, b"\xff\n")
    kept = output.with_name("out.partial")
    before = kept.read_text()
    arguments = ["translate", lines, "--output", output, "--resume", "--model", skilled_run]
    assert "was begun with another model" in nmt(*arguments, "--beam-size", 2).err
    lines.write_bytes(lines.read_bytes().replace(b"sun", b"snow"))
    changed = nmt(*arguments)
    assert changed.code == 2
    assert "are no longer those of the source" in changed.err
    assert kept.read_text() == before
    with kept.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "another nmt process is writing" in nmt(*arguments).err
    lines.write_bytes(lines.read_bytes().replace(b"snow", b"sun"))
    kept.write_text(before[:-1])
    assert "does not hold what" in nmt(*arguments).err
    assert kept.read_text() == before[:-1]
    kept.with_name("out.partial.json").unlink()
    assert "has no record of what it holds" in nmt(*arguments).err
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume needs --output"),
        (["--resume", "--output", os.devnull], "is not a regular file"),
        (["--resume", "--keep-partial", "--output", "out"], "--keep-partial has no effect"),
        (["--part", "3/2"], "is not I/N with 1 <= I <= N"),
        (["--part", "0/2"], "is not I/N with 1 <= I <= N"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    nmt: Run, skilled_run: Path, lines: Path, arguments: list[object], message: str
) -> None:
    result = nmt("translate", lines, "--model", skilled_run, *arguments)
    assert result.code == 2
    assert message in result.err


def test_stdin_has_no_parts(nmt: Run, skilled_run: Path) -> None:
    result = nmt("translate", "-", "--model", skilled_run, "--part", "1/2")
    assert result.code == 2
    assert "save it in a file" in result.err
