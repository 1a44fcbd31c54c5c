"""`Model.translate` and `Model.score` give what the commands give for the same requests."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt.decoding.files.output_formats import json_line
from nmt.decoding.files.score import json_line as score_line
from tests.conftest import Run


@pytest.fixture(name="run_nmt")
def _run_nmt(nmt: Run) -> Run:
    """Return the fixture that runs a command, under a name that does not hide the package."""
    return nmt


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


SEGMENTS = ["sun moon", "", "star rain snow seed", "Sun"]
PREFIXES = [" TREE", "", "SNOW ", ""]
TERMS = {"moon": ["TREE LEAF", "WIND ROOT"], " rain  snow": "MOON"}
GLOSSARY = ["# the same terms", "moon\tTREE LEAF|WIND ROOT", "rain snow\tMOON"]


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize(
    ("asked", "flags"),
    [
        ({"glossary": TERMS}, ["--glossary", "terms"]),
        ({"prefixes": PREFIXES}, ["--prefix", "prefixes"]),
        ({"settings": {"method": "sample", "mbr": "chrf"}}, ["--sample", "--mbr", "chrf"]),
        (
            {"glossary": "terms", "prefixes": PREFIXES, "n_best": 3, "token_scores": True},
            ["--glossary", "terms", "--prefix", "prefixes", "--n-best", 3, "--token-scores"],
        ),
    ],
)
def test_what_is_asked_is_what_the_command_gives(
    skilled_run: Path, tiny: Path, run_nmt: Run, asked: Any, flags: list[Any], *, ensemble: bool
) -> None:
    """Texts, scores, tokens and alignments are the same, with one model and with two."""
    source = write_lines(tiny.with_name("in"), SEGMENTS)
    write_lines(tiny.with_name("prefixes"), PREFIXES)
    write_lines(tiny.with_name("terms"), GLOSSARY)
    models = [skilled_run, skilled_run / "best.safetensors"][: 1 + ensemble]
    chosen = [each for model in models for each in ("--model", model)]
    more = [
        "--output-format",
        "json",
        "--set",
        "decode.max_extra_tokens=20",
        "--alignments",
        "aligned",
    ]
    ended = run_nmt("translate", source, *chosen, *flags, *more)
    asked = {**asked, "settings": {"max_extra_tokens": 20, **asked.get("settings", {})}}
    found = nmt.load(models).translate(SEGMENTS, **asked, alignments=True)
    format_of = partial(json_line, with_tokens=asked.get("token_scores", False))
    assert "".join(format_of(each, 1) for each in found) == ended.out
    links = [[f"{source}-{target}" for source, target in each.links] for each in found]
    assert links == [line.split() for line in Path("aligned").read_text().split("\n")[:-1]]
    assert any(links)


@pytest.mark.parametrize("pieces", [False, True])
def test_scoring_gives_what_the_command_gives(
    tiny_run: Path, tmp_path: Path, run_nmt: Run, *, pieces: bool
) -> None:
    """Targets are texts, or the tokens that the search found."""
    model = nmt.load(tiny_run)
    candidates = [each.candidates[0] for each in model.translate(SEGMENTS, token_scores=True)]
    targets = [
        " ".join(token.piece for token in each.tokens[:-1]) if pieces else each.text
        for each in candidates
    ]
    files = [write_lines(tmp_path / "in", SEGMENTS), write_lines(tmp_path / "out", targets)]
    flags = ["--tokens", *(["--pieces"] if pieces else [])]
    ended = run_nmt("score", *files, "--model", tiny_run, *flags)
    found = model.score(SEGMENTS, targets, token_scores=True, pieces=pieces)
    assert "".join(f"{score_line(each, with_tokens=True)}\n" for each in found) == ended.out
    if pieces:
        for score, candidate in zip(found, candidates, strict=True):
            assert score.log_prob == pytest.approx(candidate.log_prob, abs=1e-4)


def test_the_next_call_does_not_keep_what_this_one_asks(skilled_run: Path) -> None:
    """A file of terms that has changed is read again."""
    model = nmt.load(skilled_run)
    before = model.translate(["moon"])
    assert model.translate(["moon"], glossary={}, prefixes=[""]) == before
    for target in ("SEED", "TREE"):
        write_lines(Path("terms"), [f"moon\t{target}"])
        (found,) = model.translate(["moon"], glossary="terms", settings={"max_extra_tokens": 20})
        assert target in found.text.split()
    (aligned,) = model.translate(["moon"], alignments=True)
    assert (aligned.candidates, bool(aligned.links)) == (before[0].candidates, True)
    assert model.translate(iter(["moon"])) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"glossary": {"moon": "M\u2603N"}},
            r"glossary\['moon'\]: the target term M\u2603N has char",
        ),
        ({"glossary": {"moon": ["SUN", " "]}}, r"glossary\['moon'\]: a term is empty"),
        ({"glossary": {"": "SUN"}}, r"glossary\[''\]: a term is empty"),
        ({"glossary": {"moon": []}}, r"glossary\['moon'\]: a term is empty"),
        ({"glossary": {"a b": "SUN", "a  b": "RAIN"}}, r"\['a  b'\]: .* than in glossary\['a b'\]"),
        ({"glossary": {"moon": "S\ud83d"}}, r"glossary\['moon'\]: character 2 is half"),
        ({"glossary": "nowhere"}, "nowhere does not exist"),
        (
            {"glossary": {"moon": "SUN"}, "settings": {"method": "sample"}},
            r"\(glossary\), or do not sample \(method=sample in settings\)",
        ),
        (
            {"prefixes": ["SUN", "MOON"]},
            "segments as prefixes, but there are 1 segments and 2 pref",
        ),
        ({"prefixes": []}, "there are 1 segments and 0 prefixes"),
        ({"prefixes": ["S\ud83d"]}, "prefix 1: character 2 is half"),
        ({"prefixes": ["\u2603"]}, "line 1: the prefix has characters that are not in the vocab"),
        ({"prefixes": ["SUN " * 20]}, "line 1: the prefix has .* tokens"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    tiny_run: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(nmt.NmtError, match=message) as error:
        nmt.load(tiny_run).translate(["sun"], **asked)
    assert str(error.value).count("\n") == 0


def test_a_prefix_is_one_line(skilled_run: Path) -> None:
    """Line separators in it are spaces, as in a segment."""
    model = nmt.load(skilled_run)
    one, other = (
        model.translate(["sun moon star"], prefixes=[f"TREE{each}SUN"]) for each in " \u2028"
    )
    assert one == other
    assert one[0].text.startswith("TREE SUN")
