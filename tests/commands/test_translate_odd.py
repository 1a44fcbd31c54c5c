"""Lines unlike text: bad ones are left out on request, odd ones copied, loops searched again."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

import nmt as package
from nmt.errors import UsageError
from tests.commands.conftest import Model, give_stdin
from tests.conftest import CommandResult

BAD = b"sun moon\nstar \xff\nrain\n" + b"x" * 10_000_001 + b"\nsnow\n"
AS_IS = ("--set", "decode.odd_input=as_is")


def translate_lines(model: Model, given: list[str], *options: object) -> CommandResult:
    """Translate lines; the output must have as many."""
    Path("in").write_text("".join(f"{line}\n" for line in given), encoding="utf-8", newline="\n")
    room = ("--set", "decode.max_extra_tokens=50")
    result = model.translate("in", *room, *options)
    assert result.out.count("\n") == len(given)
    return result


def texts(model: Model, given: list[str], *options: object) -> list[str]:
    """Return the translation of each line."""
    return translate_lines(model, given, *options).out.split("\n")[:-1]


def without(text: str, symbol: str) -> str:
    """Return a text without a symbol and the space beside it."""
    return " ".join(text.replace(symbol, "").split())


@pytest.mark.parametrize("via", ["stdin", "gzip pipe"])
def test_bad_lines_are_skipped_or_blank_on_request(
    skilled: Model, via: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line is not UTF-8 and the fourth is too long. Their prefixes ask for nothing."""
    bad = tmp_path / "bad.src"
    bad.write_bytes(BAD)
    (tmp_path / "good").write_text("sun moon\nrain\nsnow\n")
    begun = ["--prefix", "prefixes"]
    (tmp_path / "prefixes").write_text("SUN\n" * 3)
    one, two, three = skilled.lines("good", *begun)
    (tmp_path / "prefixes").write_text("SUN\n" * 5)
    for action, expected in (("skip", [one, two, three]), ("blank", [one, "", two, "", three])):
        if via == "gzip pipe":
            name = tmp_path / f"{action}.gz"
            os.mkfifo(name)
            packed = gzip.compress(BAD, 1)
            threading.Thread(target=name.write_bytes, args=[packed], daemon=True).start()
        else:
            give_stdin(monkeypatch, bad)
            name = Path("-")
        result = skilled.translate(name, *begun, "--on-bad-line", action)
        assert result.out.split("\n")[:-1] == expected
        (told,) = (line for line in result.err.splitlines() if "cannot be read" in line)
        source_name = "stdin" if via == "stdin" else str(name)
        assert "lines 2, 4, which cannot be read" in told
        assert f"the first: {source_name}, line 2: not valid UTF-8 (byte 6 of the line)" in told
        assert ("no longer match" in told) == (action == "skip")


def test_lines_keep_their_numbers(skilled: Model, tmp_path: Path) -> None:
    """In notes of a later chunk too, of which the first has 32 lines, and in n-best lists."""
    path = tmp_path / "in"
    path.write_bytes(b"sun\n\xff\n" * 40 + "Ж\u0301\n".encode())
    result = skilled.translate(path, "--on-bad-line", "skip")
    assert result.out.count("\n") == 41
    assert "copied to the translations: Ж, U+0301 (line 81)" in result.err
    assert "left out lines 2, 4, 6, 8, 10 and 35 more, which cannot be read" in result.err
    path.write_bytes(b"sun\n\xff\nmoon\n")
    for action, expected in (("skip", "000222"), ("blank", "0001222")):
        options = ["--n-best", 3, "--output-format", "moses", "--on-bad-line", action]
        found = skilled.translate(path, *options).out.splitlines()
        assert "".join(line.split(" ")[0] for line in found) == expected


def test_sentences_between_carriage_returns_are_kept(skilled: Model) -> None:
    """Text of old Macintoshes has such line ends. Other line separators count as spaces."""
    sun, rain, star = texts(skilled, ["sun moon", "rain", "star tree"])
    assert all((sun, rain, star))
    expected = {
        "sun moon\rrain\r\rstar tree\r": f"{sun}\r{rain}\r\r{star}",
        "\r": "",
        "\rrain": f"\r{rain}",
        "rain\r\r": f"{rain}\r",
        "rain\r": rain,
    }
    for options in ([], ["--batch-tokens", 1]):
        result = translate_lines(skilled, [*expected], "--output", "-", *options)
        assert result.out.split("\n")[:-1] == [*expected.values()]
    (told,) = (line for line in result.err.splitlines() if "carriage" in line)
    assert told.startswith("carriage returns in lines 1, 3, 4: ")
    options = ["--n-best", 2, "--set", "decode.max_segment_tokens=2"]
    out = [*map(json.loads, texts(skilled, [*expected], *options))]
    assert [len(line["translations"]) for line in out] == [2, 1, 2, 2, 2]
    assert out[0]["translations"][0]["text"].count("\r") == 3
    others = translate_lines(skilled, [f"sun{sign}moon{sign}" for sign in "\x0b\x0c\x1c\x85\u2028"])
    assert {*others.out.split("\n")[:-1]} == {sun}
    assert others.err.count("\n") == 1


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


def test_what_is_copied_is_told(skilled: Model) -> None:
    given = ["sun ☂ moon", "", "1.", "sun", "moon " * 10, "😀", "Привет, мир!", "  ...  "]
    result = translate_lines(skilled, given)
    copied = (2, 4, 5, 6, 7)
    found = result.out.split("\n")
    assert [found[index] for index in copied] == [given[index].strip() for index in copied]
    assert result.err.splitlines()[1:] == [
        "characters that are not in the vocabulary, copied to the translations: ☂, 1, ., 😀, П, р,"
        " и, в, е, т and more (lines 1, 3, 6, 7, 8)",
        "copied, because there is nothing to translate in lines 3, 5, 6, 7, 8",
    ]
    as_is = translate_lines(skilled, given, *AS_IS)
    assert {*as_is.out.split("\n")[5:]}.isdisjoint(given[5:7])
    told, unlike = as_is.err.splitlines()[1:]
    assert "lines are unlike the text that this model was trained on" in unlike
    assert told.startswith("characters that are not in the vocabulary, which the model reads as un")


def test_every_candidate_has_the_symbol(skilled: Model) -> None:
    """Those of an ensemble and of a split line too; what begins with a prefix has none."""
    first, second = map(json.loads, texts(skilled, ["sun ☂ moon star", "☂"], "--n-best", 3))
    found = [candidate["text"] for candidate in first["translations"]]
    assert len(found) == 3
    assert [without(text, "☂") for text in found] == [
        candidate["written"] for candidate in first["translations"]
    ]
    assert all(text.split().count("☂") == 1 for text in found)
    assert second["translations"] == [{"text": "☂", "score": 0.0, "log_prob": 0.0}]
    models = ["--model", skilled.run / "best.safetensors"]
    marked, plain = texts(skilled, ["sun ☂ moon", "sun moon"], *models)
    assert ("☂" in marked, without(marked, "☂")) == (True, plain)
    limit = ["--set", "decode.max_segment_tokens=6"]
    (split,) = texts(skilled, ["sun moon ☂ star tree rain ♥"], *limit)
    assert split.split()[-1] == "♥"
    assert "☂" in split.split()[1:-1]
    Path("prefixes").write_text("MOON\n\n")
    begun, alone = texts(skilled, ["sun ☂ moon", "☂"], "--prefix", "prefixes")
    assert (begun[:4], "☂" in begun, alone) == ("MOON", False, "☂")


@pytest.mark.parametrize(
    ("asked", "is_searched"),
    [
        ([], True),
        (["--glossary", "terms"], True),
        (["--prefix", "prefixes"], False),  # as the manual says
    ],
)
def test_loops_are_searched_again(skilled: Model, asked: list[str], is_searched: bool) -> None:
    """A loop is forced by a length; `as_is` keeps it, unless the setting asks for a search."""
    Path("prefixes").write_text("MOON\n")
    Path("terms").write_text("sun\tMOON\n")
    forced = ["--min-length", 30, *asked, *AS_IS]
    once = texts(skilled, ["sun moon"], *forced)
    again = texts(skilled, ["sun moon"], *forced, "--set", "decode.search_again=true")
    assert (once != again) == is_searched
