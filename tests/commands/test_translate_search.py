"""`nmt translate` with samples, minimum Bayes risk, glossaries, alignments and several models."""

import itertools
import math
import random
from dataclasses import replace
from operator import eq
from pathlib import Path

import pytest

from nmt.decoding.terms.glossary import contains
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.runs.model_file import ModelFile, read_model, save_model
from nmt.runs.trained_model import load_model
from nmt.system.pools import ProcessPool
from tests.commands.conftest import Model
from tests.conftest import WORDS, Run


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Return a file of 25 lines, two of them equal and one blank."""
    draw = random.Random(5)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(23)]
    path = tmp_path / "in.src"
    path.write_text("".join(f"{line}\n" for line in [*made, "", made[3]]))
    return path


def test_the_same_seed_draws_the_same(skilled: Model, lines: Path) -> None:
    """The batch does not matter; equal lines have equal samples."""
    asked = ["--sample", "--temperature", 2]  # which gives variety
    found = skilled.lines(lines, *asked)
    assert skilled.lines(lines, *asked, "--seed", 1, "--batch-tokens", 30) == found
    assert skilled.lines(lines, *asked, "--seed", 2) != found
    assert (len(found), found[23], found[24]) == (25, "", found[3])
    greedy = skilled.lines(lines, "--beam-size", 1)  # searches again what repeats itself
    for likeliest in (("--temperature", 0.001), ("--top-k", 1), ("--top-p", 0)):
        sampled = skilled.lines(lines, "--sample", *likeliest)
        assert sum(map(eq, sampled, greedy)) > len(greedy) / 2


def test_processes_change_nothing(skilled_run: Path, lines: Path) -> None:
    """Texts, tokens and alignments are the same."""
    model = load_model(skilled_run, "cpu")
    sampled = replace(model.recipe.decode, method="sample", temperature=2.0, batch_tokens=20)
    settings = replace(sampled, mbr="chrf", candidates=6)
    found = []
    for processes in (1, 2):
        pool = ProcessPool(processes)
        asked = OutputOptions(5, token_scores=True, alignments=True)
        translator = Translator(model, settings, print, asked, pool=pool)
        given = [*translator.translate(lines.read_text().splitlines())]
        texts = [[(one.text, one.length) for one in line.candidates] for line in given]
        found.append((texts, [line.links for line in given]))
    assert found[0] == found[1]


@pytest.mark.parametrize("options", [["--sample", "--candidates", 12], []], ids=["sample", "beam"])
def test_minimum_bayes_risk(skilled: Model, lines: Path, options: list[object]) -> None:
    """The n best by utility are distinct; the first is what is written as text."""
    asked = [lines, "--mbr", "chrf", *options]
    listed = skilled.candidates(*asked, "--n-best", 3)
    assert [found[0]["text"] for found in listed] == skilled.lines(*asked)
    for found in listed[:23]:
        utilities = [candidate["utility"] for candidate in found]
        assert utilities == sorted(utilities, reverse=True)
        assert all(0 <= utility <= 100 for utility in utilities)
        assert len({candidate["text"] for candidate in found}) == len(found) <= 3
    split = skilled.candidates(*asked, "--n-best", 1, "--set", "decode.max_segment_tokens=2")
    assert all(0 <= found[0].get("utility", 0) <= 100 for found in split)  # the mean of its parts


ROOM = ["--set", "decode.max_extra_tokens=40"]  # so that terms fit, wherever the model ends


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """Return a glossary whose targets the model would not choose for these sources."""
    path = tmp_path / "terms.tsv"
    path.write_text("# a test\nmoon\tTREE LEAF|WIND ROOT\nstar\tSEED\nrain snow\tMOON\n")
    return path


def has_terms(first: str, last: str) -> bool:
    """Return whether the translations of the fixture `source` have their terms."""
    begins = contains(first, "TREE LEAF") or contains(first, "WIND ROOT")
    return begins and contains(last, "SEED") and contains(last, "MOON")


def test_translations_have_the_terms(skilled: Model, source: Path, terms: Path) -> None:
    """Those that have no room are noted."""
    free = skilled.lines(*ROOM, source)
    arguments = ["--beam-size", 1, "--glossary", terms]
    result = skilled.translate(source, *arguments, *ROOM)
    first, blank, last = result.out.split("\n")[:-1]
    assert not has_terms(free[0], free[2])
    assert (has_terms(first, last), blank) == (True, "")
    assert "missing" not in result.err
    result = skilled.translate(source, *arguments, "--max-length", 1)
    note = "terms of the glossary that are missing in the translation: "
    (line,) = [line for line in result.err.splitlines() if note in line]
    assert all(term in line for term in ("moon (line 1)", "star (line 3)", "rain snow (line 3)"))


def test_every_candidate_has_the_terms(
    skilled: Model, source: Path, terms: Path, tmp_path: Path
) -> None:
    """Those of an ensemble; a prefix may hold one."""
    best = ["--glossary", terms, "--model", skilled.run / "best.safetensors"]
    first, _, last = skilled.candidates(source, *best, *ROOM, "--n-best", 3)
    for one, other in itertools.product(first, last):
        assert has_terms(one["text"], other["text"])
    alone = skilled.lines(*ROOM, source, *best)
    for found, text in ((first, alone[0]), (last, alone[2])):
        assert found[0]["text"] == text  # the order is that of the search
        assert (
            1 <= len({candidate["text"] for candidate in found}) == len(found) <= 3
        )  # equal ones are one
    prefixes = tmp_path / "prefixes"
    prefixes.write_text("SUN WIND\n\nSEED SUN\n")
    begun = ["--glossary", terms, "--prefix", prefixes, "--min-length", 6]
    start, _, end = skilled.lines(*ROOM, source, *begun)
    assert has_terms(start, end)
    assert (start[:8], end[:8]) == ("SUN WIND", "SEED SUN")


Links = list[list[tuple[int, int]]]


def read_links(path: Path) -> Links:
    """Return the links of each line."""
    return [
        [tuple(map(int, link.split("-"))) for link in line.split(" ") if link]  # type: ignore[misc] # two numbers
        for line in path.read_text().split("\n")[:-1]
    ]


def test_alignments_leave_the_output_as_it_is(skilled: Model, source: Path, tmp_path: Path) -> None:
    """Blank lines have blank alignments."""
    aligned = tmp_path / "out.align"
    found = skilled.translate(source, "--alignments", aligned)
    assert found.out == skilled.translate(source).out
    first, blank, last = read_links(aligned)
    assert not blank
    assert {link[0] for link in first} <= {0, 1}
    assert {link[1] for link in last} == {*range(len(found.out.split("\n")[2].split()))}
    source.write_bytes(b"sun\n\xff\nmoon\n")
    options = ["--alignments", aligned, "--on-bad-line", "skip"]
    assert skilled.translate(source, *options).out.count("\n") == 2
    assert len(read_links(aligned)) == 2


def test_a_second_model_that_does_not_fit_is_refused(
    small: Model, source: Path, tmp_path: Path
) -> None:
    """It diverged in its training, or translates into another language."""
    first, other = small.run / "model.safetensors", tmp_path / "other.safetensors"
    content = read_model(first)
    name = "embeddings.weight"
    diverged = {**content.weights, name: content.weights[name] * math.nan}
    dutch = replace(content.recipe, data=replace(content.recipe.data, target_language="nl"))
    for weights, recipe, facts in (
        (diverged, content.recipe, ["ensemble", "are not numbers"]),
        (content.weights, dutch, [str(other), str(first), "en-de (bleu)", "en-nl (bleu)"]),
    ):
        save_model(other, ModelFile(weights, content.tokenizer, recipe, content.updates))
        result = small.attempt(source, "--model", other, "--output", "out")
        assert (result.code, result.out, Path("out").exists()) == (1, "", False)
        assert all(fact in result.err.splitlines()[-1] for fact in facts)


def test_vocabularies_and_positions_of_an_ensemble(
    nmt: Run, small: Model, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another vocabulary is refused: probabilities of different tokens cannot be averaged.

    The same one is accepted if it was learned on another machine: a SentencePiece model contains
    the number of threads, so its bytes differ. The fewest positions limit the length.
    """
    monkeypatch.setattr("nmt.text.subwords.learning.processor_count", lambda: 61)
    changes = ["model.positions=learned", "model.max_positions=24", "data.max_length=23"]
    for run, settings in (("short", changes), ("other", ["tokenizer.vocab_size=38"])):
        options = [part for change in settings for part in ("--set", change)]
        assert nmt("train", tiny, *options, "--run", run, "--max-updates", 1).code == 0
    tokenizers = {(run / "tokenizer.model").read_bytes() for run in (Path("short"), small.run)}
    assert len(tokenizers) == 2
    Path("long").write_text("sun moon " * 30 + "\n")
    for model, second in ((small, "short"), (Model(nmt, Path("short")), small.run)):
        assert "24 learned positions" in model.translate("long", "--model", second).err
    result = Model(nmt, Path("other")).attempt("dev.src", "--model", small.run)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: other/model.safetensors has another vocabulary than ")
    assert "[tokenizer]" in result.err


def test_what_a_right_to_left_model_cannot_do(
    nmt: Run, tiny_run: Path, source: Path, tiny: Path
) -> None:
    setting = "model.target_order"
    right_to_left = ["--set", f"{setting}=right_to_left", "--run", "run"]
    assert nmt("train", tiny, *right_to_left, "--max-updates", 1).code == 0
    own, other = ["--model", "run"], ["--set", f"{setting}=left_to_right"]
    Path("prefixes").write_text("\n\nSNOW\n")
    for code, arguments, message in (
        (2, ["translate", source, *own, "--prefix", "prefixes"], "with a prefix"),
        (1, ["translate", source, *own, "--model", tiny_run], "an ensemble write in one order"),
        (1, ["train", "run", *other], setting),
        (1, ["train", tiny, "--init-from", "run", "--max-updates", 1], setting),
    ):
        result = nmt(*arguments)
        assert (result.code, result.out, message in result.err) == (code, "", True), arguments
