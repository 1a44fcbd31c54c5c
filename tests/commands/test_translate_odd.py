"""Odd input: numbers, signs and unknown characters are copied; nothing repeats itself for ever."""

import json
from pathlib import Path

import pytest

from tests.conftest import WORDS, Run

OPTIONS = ("--set", "decode.max_extra_tokens=50")
AS_IS = ("--set", "decode.odd_input=as_is")


def lines_of(nmt: Run, run: Path, lines: list[str], *options: object) -> list[str]:
    """Return the translation of each line."""
    Path("in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    result = nmt("translate", "in", "--model", run, *OPTIONS, *options)
    assert result.code == 0, result.err
    assert result.out.count("\n") == len(lines)
    return result.out.split("\n")[:-1]


def without(text: str, symbol: str) -> str:
    """Return a text without a symbol and the space beside it."""
    return " ".join(text.replace(symbol, "").split())


@pytest.mark.parametrize("options", [[], ["--batch-tokens", 1], ["--beam-size", 1]])
def test_symbols_are_copied_to_their_places(
    nmt: Run, skilled_run: Path, options: list[object]
) -> None:
    """The words are translated as if the symbols were not there."""
    # Two words that the small model translates as two words.
    pairs = [f"{one} {other}" for one in WORDS for other in WORDS if one != other]
    translations = [each.split() for each in lines_of(nmt, skilled_run, pairs, *options)]
    place = [len(each) == len(set(each)) == 2 for each in translations].index(True)
    (one, other), (first, second) = pairs[place].split(), translations[place]
    lines = [
        f"{one} {other}",
        f"{one} 😀 {other}",
        f"😀 {one} {other}",
        f"{one} {other} 中国",
        f"{one} #{other}",
        f"{one} {other} a@b.c",
    ]
    plain, *others = lines_of(nmt, skilled_run, lines, *options)
    assert plain.split() == [first, second]
    # In reversed order, no place is between both neighbours.
    assert others[0] in (f"{first} 😀 {second}", f"{first} {second} 😀")
    assert others[1] == f"😀 {first} {second}"
    assert others[2] == f"{first} {second} 中国"
    assert others[3] in (f"#{first} {second}", f"{first} #{second}", f"{first} # {second}")
    assert others[4] == f"{first} {second} a@b.c"


def test_segments_without_words_are_copied(nmt: Run, skilled_run: Path) -> None:
    lines = ["😀", "1.", "Привет, мир!", "https://example.com/a", "", "a", "  ...  "]
    found = lines_of(nmt, skilled_run, lines)
    assert found == [line.strip() for line in lines]
    assert set(lines_of(nmt, skilled_run, lines[:4], *AS_IS)).isdisjoint(lines[:4])


def test_notes_tell_what_was_copied(nmt: Run, skilled_run: Path) -> None:
    Path("in").write_text(f"sun ☂ moon\n\n1.\nsun\n{'moon ' * 10}\n", encoding="utf-8")
    copied = nmt("translate", "in", "--model", skilled_run).err.splitlines()[1:]
    assert copied == [
        "characters that are not in the vocabulary, copied to the translations: ☂, 1, ."
        " (lines 1, 3)",
        "copied, because there is nothing to translate in lines 3, 5",
    ]
    (told,) = nmt("translate", "in", "--model", skilled_run, *AS_IS).err.splitlines()[1:]
    assert told.startswith("characters that are not in the vocabulary, which the model reads as un")


def test_every_candidate_has_the_symbol(nmt: Run, skilled_run: Path) -> None:
    options = ["--n-best", 3]
    first, second = lines_of(nmt, skilled_run, ["sun ☂ moon star", "☂"], *options)
    candidates = json.loads(first)["translations"]
    texts = [each["text"] for each in candidates]
    assert len(texts) == 3
    assert [without(text, "☂") for text in texts] == [each["written"] for each in candidates]
    assert all(text.split().count("☂") == 1 for text in texts)
    assert json.loads(second)["translations"] == [{"text": "☂", "score": 0.0, "log_prob": 0.0}]


def test_a_split_line_keeps_its_symbols(nmt: Run, skilled_run: Path) -> None:
    line = "sun moon ☂ star tree rain ♥"
    options = ["--set", "decode.max_segment_tokens=6"]
    (found,) = lines_of(nmt, skilled_run, [line], *options)
    assert found.split()[-1] == "♥"
    assert "☂" in found.split()[1:-1]


def test_a_line_with_a_prefix_is_translated_as_it_is(nmt: Run, skilled_run: Path) -> None:
    Path("prefixes").write_text("MOON\n\n")
    lines = ["sun ☂ moon", "☂"]
    found = lines_of(nmt, skilled_run, lines, "--prefix", "prefixes")
    assert found[0].startswith("MOON")
    assert "☂" not in found[0]
    assert found[1] == "☂"


def test_an_ensemble_aligns_too(nmt: Run, skilled_run: Path) -> None:
    models = ["--model", skilled_run / "best.safetensors"]
    found = lines_of(nmt, skilled_run, ["sun ☂ moon", "sun moon"], *models)
    assert without(found[0], "☂") == found[1]
    assert "☂" in found[0]


def test_loops_are_searched_again(nmt: Run, skilled_run: Path) -> None:
    """A loop is forced by a length; `as_is` keeps it, unless the setting asks for a search."""
    forced = ["--min-length", 30, *AS_IS]
    (loop,) = lines_of(nmt, skilled_run, ["sun moon"], *forced)
    (other,) = lines_of(
        nmt, skilled_run, ["sun moon"], *forced, "--set", "decode.search_again=true"
    )
    assert loop != other


def test_which_loops_are_searched_again(nmt: Run, skilled_run: Path) -> None:
    """Alignments and terms change nothing about it; a prefix does, as the page says."""
    Path("prefixes").write_text("MOON\n")
    Path("terms").write_text("sun\tMOON\n")
    general = ("--set", "decode.search_again=true")
    for asked, is_searched in (
        (["--alignments", "links"], True),
        (["--prefix", "prefixes"], False),
        (["--glossary", "terms"], True),
    ):
        forced = ["--min-length", 30, *asked]
        once = lines_of(nmt, skilled_run, ["sun moon"], *forced, *AS_IS)
        again = lines_of(nmt, skilled_run, ["sun moon"], *forced, *AS_IS, *general)
        assert (once != again) == is_searched
