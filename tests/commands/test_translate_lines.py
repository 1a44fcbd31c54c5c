"""`nmt translate` and lines that are unlike text: none is lost, and each is reported once."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

import nmt as package
from nmt.errors import UsageError
from nmt.text import lines
from tests.commands.conftest import give_stdin, translate
from tests.conftest import Run

BAD = b"sun moon\nstar \xff\nrain\n" + b"x" * 10_000_001 + b"\nsnow\n"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Return a file whose second line is not UTF-8 and whose fourth is too long."""
    path = tmp_path / "bad.src"
    path.write_bytes(BAD)
    return path


def give_pipe(tmp_path: Path, content: bytes, ending: str = "") -> Path:
    """Return a named pipe into which a thread writes."""
    pipe = tmp_path / f"pipe{ending}"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[content], daemon=True).start()
    return pipe


def good_lines(nmt: Run, run: Path, folder: Path) -> list[str]:
    """Return the translations of the good lines of `BAD`."""
    (folder / "good").write_text("sun moon\nrain\nsnow\n")
    return translate(nmt, run, folder / "good").out.split("\n")[:-1]


@pytest.mark.parametrize("via", ["file", "gzip", "stdin", "pipe", "gzip pipe"])
def test_bad_lines_are_skipped_or_blank_on_request(
    nmt: Run,
    skilled_run: Path,
    bad: Path,
    via: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = good_lines(nmt, skilled_run, tmp_path)
    for action, expected in (("skip", [first, second, third]), ("blank", None)):
        name = bad
        if via == "gzip":
            name = tmp_path / "bad.gz"
            name.write_bytes(gzip.compress(BAD, 1))
        elif "pipe" in via:
            content, ending = (gzip.compress(BAD, 1), ".gz") if "gzip" in via else (BAD, "")
            (tmp_path / f"pipe{ending}").unlink(missing_ok=True)
            name = give_pipe(tmp_path, content, ending)
        elif via == "stdin":
            give_stdin(monkeypatch, bad)
            name = Path("-")
        result = translate(nmt, skilled_run, name, "--on-bad-line", action)
        lines = result.out.split("\n")[:-1]
        assert lines == (expected or [first, "", second, "", third])
        (told,) = (line for line in result.err.splitlines() if "cannot be read" in line)
        place = "stdin" if via == "stdin" else str(name)
        assert "lines 2, 4, which cannot be read" in told
        assert f"the first: {place}, line 2: not valid UTF-8 (byte 6 of the line)" in told
        assert ("no longer match" in told) == (action == "skip")


def test_by_default_a_bad_line_stops_and_the_message_names_the_option(
    nmt: Run, tiny_run: Path, bad: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    result = nmt("translate", bad, "--model", tiny_run, "--output", output)
    assert (result.code, output.exists()) == (1, False)
    last = result.err.splitlines()[-1]
    assert f"{bad}, line 2: not valid UTF-8" in last
    assert "--on-bad-line skip or blank" in last


def test_skipped_lines_keep_the_numbers_of_notes(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """A later chunk too: the first one has 32 lines."""
    path = tmp_path / "in"
    path.write_bytes(b"sun\n\xff\n" * 40 + "Ж\n".encode())
    result = translate(nmt, tiny_run, path, "--on-bad-line", "skip")
    assert result.out.count("\n") == 41
    assert "copied to the translations: Ж (line 81)" in result.err
    assert "left out lines 2, 4, 6, 8, 10 and 35 more, which cannot be read" in result.err


def test_the_prefix_of_a_bad_line_asks_for_nothing(
    nmt: Run, skilled_run: Path, bad: Path, tmp_path: Path
) -> None:
    prefixes = tmp_path / "prefixes"
    prefixes.write_text("SUN\n" * 5)
    asked = [bad, "--prefix", prefixes, "--on-bad-line"]
    blank = translate(nmt, skilled_run, *asked, "blank").out.split("\n")[:-1]
    assert [line.startswith("SUN") for line in blank] == [True, False, True, False, True]
    assert blank[1] == blank[3] == ""
    skipped = translate(nmt, skilled_run, *asked, "skip").out.split("\n")[:-1]
    assert skipped == [blank[0], blank[2], blank[4]]


def test_n_best_of_a_blank_line_is_json(nmt: Run, tiny_run: Path, bad: Path) -> None:
    options = ["--on-bad-line", "blank", "--n-best", 2]
    lines = translate(nmt, tiny_run, bad, *options).out.splitlines()
    texts = [json.loads(line)["translations"][0]["text"] for line in lines]
    assert (len(texts), texts[1], texts[3]) == (5, "", "")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_an_endless_line_is_named(nmt: Run, tiny_run: Path) -> None:
    result = nmt("translate", "/dev/zero", "--model", tiny_run)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[-1].startswith("nmt: /dev/zero, line 1: longer than 10 MB;")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
@pytest.mark.parametrize("action", ["skip", "blank"])
def test_the_end_of_a_bad_line_is_not_waited_for_for_ever(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(lines, "ENDLESS_BYTES", 20_000_000)
    result = nmt("translate", "/dev/zero", "--model", tiny_run, "--on-bad-line", action)
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("nmt: /dev/zero, line 1: no end after 0.02 GB;")


def test_an_empty_gz_is_an_error(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.gz").write_bytes(b"")
    result = nmt("translate", tmp_path / "in.gz", "--model", tiny_run)
    assert result.code == 1
    assert "in.gz is empty (0 bytes), not a .gz file" in result.err


def test_unknown_characters_are_told_once_with_lines_and_characters(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    """In more than one chunk, of 32 and 128 lines."""
    path = tmp_path / "in"
    texts = ["sun Ж\n", "moon\n", "\u0301 \x00 ж中文\n"] * 50 + ["0123456789\n"]
    path.write_text("".join(texts), encoding="utf-8", newline="\n")
    err = translate(nmt, tiny_run, path).err
    (told,) = (line for line in err.splitlines() if "vocabulary" in line)
    assert told.startswith("characters that are not in the vocabulary, ")
    shown = "Ж, U+0301, U+0000, ж, 中, 文, 0, 1, 2, 3 and more"
    assert f"translations: {shown} (lines 1, 3, 4, 6, 7 and 96 more)" in told


def test_known_text_is_translated_without_a_note(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("sun moon\r\n\n  \n\x0b\n", newline="")
    assert translate(nmt, tiny_run, tmp_path / "in").err.count("\n") == 1


def test_sentences_between_carriage_returns_are_kept(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    """Text of old Macintoshes has such line ends."""
    (tmp_path / "apart").write_text("sun moon\nrain\nstar tree\n")
    sun, rain, star = translate(nmt, skilled_run, tmp_path / "apart").out.split("\n")[:-1]
    assert all((sun, rain, star))
    lines = [
        ("sun moon\rrain\r\rstar tree\r", f"{sun}\r{rain}\r\r{star}"),
        ("\r", ""),
        ("\rrain", f"\r{rain}"),
        ("rain\r\r", f"{rain}\r"),
        ("rain", rain),
        ("rain\r", rain),
    ]
    text = "".join(f"{line}\n" for line, _ in lines)
    (tmp_path / "in").write_bytes(text.encode())
    for options in ([], ["--batch-tokens", 1]):
        result = translate(nmt, skilled_run, tmp_path / "in", "--output", tmp_path / "o", *options)
        found = (tmp_path / "o").read_bytes().decode()
        assert found == "".join(f"{expected}\n" for _, expected in lines)
    (told,) = (line for line in result.err.splitlines() if "carriage" in line)
    assert told.startswith("carriage returns in lines 1, 3, 4: ")
    options = ["--n-best", 2, "--set", "decode.max_segment_tokens=2"]
    out = translate(nmt, skilled_run, tmp_path / "in", *options).out.splitlines()
    counts = [len(json.loads(line)["translations"]) for line in out]
    assert counts == [2, 1, 2, 2, 2, 2]
    assert json.loads(out[0])["translations"][0]["text"].count("\r") == 3


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_other_line_separators_count_as_spaces(
    nmt: Run, skilled_run: Path, tmp_path: Path, separator: str
) -> None:
    """Otherwise they would join two words, or be unknown."""
    text = f"sun moon\nsun{separator}moon\nsun moon{separator}\n"
    (tmp_path / "in").write_text(text, encoding="utf-8", newline="\n")
    result = translate(nmt, skilled_run, tmp_path / "in")
    first, *others = result.out.split("\n")[:-1]
    assert others == [first, first]
    assert result.err.count("\n") == 1


def test_strange_text_gives_a_line_out_for_each_line_in(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    strange = [
        "\x00",
        "\x00\x00\x00",
        "\x01\x02\x7f",
        "sun\ufeffmoon",
        "\u200f\u05d0\u202e",
        "👩\u200d👩\u200d👧 🇩🇪 ☺\ufe0f",
        "e\u0301" * 50,
        "\u3000\u00a0",
        "\U0010ffff\ufffe\uffff",
        "<seg>sun</seg>",
        "\x1b[31msun\x1b[0m",
    ]
    (tmp_path / "in").write_bytes("".join(f"{line}\n" for line in strange).encode())
    assert translate(nmt, tiny_run, tmp_path / "in").out.count("\n") == len(strange)


def test_a_word_of_1_mb_is_translated(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """It is split; large parts and a small search make the test fast."""
    (tmp_path / "in").write_text("sun\n" + "x" * 1_000_000 + "\nmoon\n")
    options = ["--beam-size", 1, "--set", "decode.max_extra_tokens=1", "--batch-tokens", 100_000]
    result = translate(nmt, tiny_run, tmp_path / "in", *options)
    assert result.out.count("\n") == 3


def test_half_of_a_surrogate_pair_is_one_sentence(tiny_run: Path) -> None:
    model = package.load(tiny_run, device="cpu", notify=lambda _: None)
    with pytest.raises(UsageError, match=r"segment 2: character 3 is half .* \(U\+D83D\)"):
        model.translate(["sun", "su\ud83dn"])


def test_a_part_of_a_segment_may_be_a_line_of_windows(tiny_run: Path) -> None:
    """Python callers may give such a segment; only a lone carriage return splits it."""
    notes: list[str] = []
    model = package.load(tiny_run, device="cpu", notify=notes.append)
    notes.clear()
    # One call each, because rounding may differ between the rows of a batch.
    assert model.translate(["sun\r\nmoon\n"]) == model.translate(["sun moon"])
    assert notes == []
