"""`nmt translate --glossary`: terms are in the translations, or a note says where they are not."""

import itertools
import json
from pathlib import Path

import pytest

from nmt.decoding.terms.glossary import contains
from tests.commands.conftest import give_stdin, translate
from tests.conftest import Run

ROOM = ["--set", "decode.max_extra_tokens=40"]  # so that terms fit, wherever the model ends


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """Return a glossary whose targets the model would not choose for these sources."""
    path = tmp_path / "terms.tsv"
    path.write_text("# a test\nmoon\tTREE LEAF|WIND ROOT\nstar\tSEED\nrain snow\tMOON\n")
    return path


def lines(nmt: Run, run: Path, source: Path, *arguments: object) -> list[str]:
    return translate(nmt, run, source, *arguments, *ROOM).out.split("\n")[:-1]


def has_terms(first: str, last: str) -> bool:
    """Return whether the translations of the fixture `source` have their terms."""
    begins = contains(first, "TREE LEAF") or contains(first, "WIND ROOT")
    return begins and contains(last, "SEED") and contains(last, "MOON")


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_have_the_terms(
    nmt: Run, skilled_run: Path, source: Path, terms: Path, beam: int
) -> None:
    free = lines(nmt, skilled_run, source, "--beam-size", beam)
    arguments = [*ROOM, "--beam-size", beam, "--glossary", terms]
    result = translate(nmt, skilled_run, source, *arguments)
    first, blank, last = result.out.split("\n")[:-1]
    assert not has_terms(free[0], free[2])
    assert has_terms(first, last)
    assert blank == ""
    assert "missing" not in result.err


def test_lines_without_terms_do_not_change(
    nmt: Run, skilled_run: Path, tmp_path: Path, terms: Path
) -> None:
    """They are the same in a batch with others, whose terms do not depend on the batch either."""
    source = tmp_path / "mixed.src"
    texts = ["sun", "moon sun", "wind tree", "star", "rain", "rain snow wind", "snow rain"] * 3
    source.write_text("".join(f"{text}\n" for text in texts))
    free = lines(nmt, skilled_run, source)
    one = lines(nmt, skilled_run, source, "--glossary", terms, "--batch-tokens", 1)
    all_at_once = lines(nmt, skilled_run, source, "--glossary", terms, "--batch-tokens", 10_000)
    assert one == all_at_once
    assert len(one) == len(free)
    for text, with_terms, without in zip(texts, one, free, strict=True):
        if "moon" not in text and "star" not in text and "rain snow" not in text:
            assert with_terms == without


def test_every_candidate_has_the_terms(
    nmt: Run, skilled_run: Path, source: Path, terms: Path
) -> None:
    asked = ["--glossary", terms, "--n-best", 3]
    best = skilled_run / "best.safetensors"
    out = lines(nmt, skilled_run, source, *asked, "--model", best)  # an ensemble of two
    first, _, last = (json.loads(line)["translations"] for line in out)
    for one, other in itertools.product(first, last):
        assert has_terms(one["text"], other["text"])
    alone = lines(nmt, skilled_run, source, "--glossary", terms, "--model", best)
    for candidates, text in ((first, alone[0]), (last, alone[2])):
        assert candidates[0]["text"] == text  # the order is that of the search
        assert 1 <= len(candidates) <= 3  # those that have become equal are one
        assert len({each["text"] for each in candidates}) == len(candidates)


def test_a_prefix_may_hold_a_term(
    nmt: Run, skilled_run: Path, source: Path, terms: Path, tmp_path: Path
) -> None:
    prefixes = tmp_path / "prefixes"
    prefixes.write_text("SUN WIND\n\nSEED SUN\n")
    arguments = ["--glossary", terms, "--prefix", prefixes, "--min-length", 6]
    first, _, last = lines(nmt, skilled_run, source, *arguments)
    assert has_terms(first, last)
    assert first.startswith("SUN WIND")
    assert last.startswith("SEED SUN")


def test_terms_without_room_are_noted(
    nmt: Run, skilled_run: Path, source: Path, terms: Path
) -> None:
    result = translate(nmt, skilled_run, source, "--glossary", terms, "--max-length", 1)
    assert len(result.out.split("\n")) == 4
    note = "terms of the glossary that are missing in the translation: "
    (line,) = [each for each in result.err.splitlines() if note in each]
    for term in ("moon (line 1)", "star (line 3)", "rain snow (line 3)"):
        assert term in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("moon MOON\n", "terms.tsv, line 1: no tab"),
        ("star\tSTAR\nmoon\t\n", "terms.tsv, line 2: a target term is empty"),
        ("star\tSTAR\nstar\tSUN\n", "terms.tsv, line 2: the source term star has other"),
        ("star\tSTAR\nmoon\tM\u2603N\n", "terms.tsv, line 2: the target term M\u2603N has char"),
    ],
)
def test_a_bad_glossary_is_refused(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path, text: str, message: str
) -> None:
    path, output = tmp_path / "terms.tsv", tmp_path / "out"
    path.write_text(text)
    arguments = ["--glossary", path, "--output", output, "--model", skilled_run]
    result = nmt("translate", source, *arguments)
    assert result.code == 1
    assert message in result.err
    assert "Traceback" not in result.err
    assert not output.exists()


def test_a_missing_glossary_and_stdin_twice(
    nmt: Run, skilled_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = nmt("translate", source, "--glossary", "nowhere", "--model", skilled_run)
    assert missing.code == 1
    assert "nowhere does not exist" in missing.err
    for arguments in (["--glossary", "-"], [source, "--prefix", "-", "--glossary", "-"]):
        give_stdin(monkeypatch, source)
        twice = nmt("translate", *arguments, "--model", skilled_run)
        assert twice.code == 2
        assert "stdin (-) is named twice" in twice.err


def test_samples_have_no_glossary(nmt: Run, skilled_run: Path, source: Path, terms: Path) -> None:
    arguments = [source, "--glossary", terms, "--sample", "--model", skilled_run]
    result = nmt("translate", *arguments)
    assert result.code == 2
    assert "leave out the glossary (--glossary)" in result.err
