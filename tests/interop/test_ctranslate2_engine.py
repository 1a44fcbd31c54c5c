"""`nmt translate --engine ctranslate2`: results mean what those of this program mean."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import nmt as library
from nmt.decoding.search.rules import SpecialIds, special_ids
from nmt.decoding.translator.load import ENGINES, load_models
from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.translation import Request
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError
from nmt.interop.export import export_model
from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import Tokenizer
from tests.conftest import CommandResult, Run
from tests.decoding.marking import marked
from tests.interop.marian_models import TEXTS
from tests.interop.models import random_model, saved, two_languages

pytest.importorskip("ctranslate2")

ROOM = ["--set", "decode.max_extra_tokens=30"]  # few outputs reach their greatest length


def engines(nmt: Run, own: Path, other: Path, *arguments: object) -> tuple[str, str]:
    found = []
    for engine, model in (("nmt", own), ("ctranslate2", other)):
        result = nmt("translate", *arguments, "--model", model, "--engine", engine)
        assert result.code == 0, result.err
        found.append(result.out)
    return found[0], found[1]


def candidates(
    nmt: Run, own: Path, other: Path, *arguments: object
) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Return the candidates of both engines for each line."""
    found = (
        [json.loads(line)["translations"] for line in out.splitlines()]
        for out in engines(nmt, own, other, *arguments)
    )
    return [*zip(*found, strict=True)]


def with_ctranslate2(nmt: Run, source: Path, model: Path, *options: object) -> CommandResult:
    return nmt("translate", source, "--model", model, "--engine", "ctranslate2", *options)


@pytest.mark.parametrize(
    "options",
    [
        *("", "--max-length 3", "--min-length 4", "--no-repeat-ngram 1"),
        *("--set decode.max_segment_tokens=9", "--set decode.odd_input=as_is"),
    ],
)
def test_greedy_outputs_are_equal(
    options: str, nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path
) -> None:
    greedy = ("--beam-size", 1, *options.split())
    own, other = engines(nmt, skilled_run, ct2_folder, mixed_lines, *greedy)
    assert other == own


def list_pieces(candidate: dict[str, Any]) -> tuple[str, ...]:
    """Return the tokens of a candidate, empty if it was copied."""
    return tuple(token["piece"] for token in candidate.get("tokens", ()))


@pytest.mark.parametrize(
    "options",
    [
        *("--n-best 4", "--n-best 2 --min-length 4 --length-penalty 0"),
        "--n-best 2 --set decode.stopping=beam_finished",
    ],
)
def test_scores_mean_the_same(
    options: str, nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path
) -> None:
    """Candidates are compared by their tokens: two may have the same text and other scores.

    This model is unsure; a model that can translate gives more equal outputs.
    """
    asked = [*options.split(), "--token-scores", *ROOM]
    pairs = candidates(nmt, skilled_run, ct2_folder, mixed_lines, *asked)
    equal = compared = 0
    for ours, theirs in pairs:
        assert len(theirs) == len(ours)
        assert theirs == sorted(theirs, key=lambda candidate: -candidate["score"])
        known = {list_pieces(candidate): candidate for candidate in ours}
        equal += ours[0]["text"] == theirs[0]["text"]
        for candidate in theirs:
            expected = known.get(list_pieces(candidate))
            if expected is None:
                continue
            compared += 1
            for name in ("score", "log_prob"):
                assert candidate[name] == pytest.approx(expected[name], abs=1e-3)
            for token, want in zip(candidate["tokens"], expected["tokens"], strict=True):
                assert token["log_prob"] == pytest.approx(want["log_prob"], abs=1e-3)
    assert equal >= 0.9 * len(pairs)
    assert compared >= 0.7 * sum(len(ours) for ours, _ in pairs)


def test_prefixes(nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "in"
    lines.write_text("sun moon\tSTAR\nrain\t\nsnow wind tree\tWIND\n")
    options = ("--prefix-column", "--n-best", 2, "--length-penalty", 0)
    pairs = candidates(nmt, skilled_run, ct2_folder, lines, *options)
    for (one, *_), (two, *_) in pairs:
        assert two["text"] == one["text"]
        assert two["log_prob"] == pytest.approx(one["log_prob"], abs=1e-3)
    assert pairs[0][1][0]["text"].startswith("STAR")


def test_alignments_and_marks(
    nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path
) -> None:
    lines, links, placed = tmp_path / "in", [], []
    lines.write_text("sun moon star\nseed\nroot leaf\n")
    sources = [*map(marked, ("sun <b>moon star</b> rain", "%s: <b>sun</b>, wind", "{a}"))]
    requests = [Request(source.text, marks=source.marks) for source in sources]
    for engine, path in (("nmt", skilled_run), ("ctranslate2", ct2_folder)):
        options = ("--engine", engine, "--model", path, "--alignments", tmp_path / engine)
        assert nmt("translate", lines, *options).code == 0
        links.append((tmp_path / engine).read_text())
        model, _ = load_models([path], "cpu", lambda _: None, engine=engine)
        translator = Translator(model, replace(model.recipe.decode, beam_size=1), lambda _: None)
        (found,) = translator.chunks([requests])
        placed.append([(one.text, one.candidates[0].marks) for one in found])
    assert links[0] == links[1] != ""
    assert placed[0] == placed[1]
    assert [Marked(*pair) for pair in placed[0]] == [marked(text) for text, _ in placed[0]]


def test_a_model_file_is_converted_first_and_batches_change_nothing(
    nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path, tmp_path: Path
) -> None:
    model = skilled_run / "model.safetensors"
    result = with_ctranslate2(nmt, mixed_lines, model)
    assert result.err.startswith(f"model: {model} ")
    assert result.out
    for tokens in (9, 5000):
        options = ("--set", f"decode.batch_tokens={tokens}")
        assert with_ctranslate2(nmt, mixed_lines, ct2_folder, *options).out == result.out
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_evaluate(nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path) -> None:
    source, reference = tmp_path / "a", tmp_path / "b"
    source.write_text("sun moon\nstar\n")
    reference.write_text("MOON SUN\nSTAR\n")
    given = ("evaluate", source, reference, "--beam-size", 1, "--compare", ct2_folder)
    result = nmt(*given, "--model", skilled_run, "--engine", "ctranslate2", "--json")
    assert (result.code, json.loads(result.out)["engine"]) == (0, "CTranslate2")
    own = nmt(*given[:-2], "--model", skilled_run)
    other = nmt(*given[:-2], "--model", ct2_folder, "--engine", "ctranslate2")
    assert other.out.replace(", searched by CTranslate2", "") == own.out != other.out


def test_python(ct2_folder: Path, skilled_run: Path) -> None:
    torch.set_num_threads(2)  # CTranslate2 would make it 1
    own = library.load(skilled_run, device="cpu", notify=lambda _: None)
    other = library.load(ct2_folder, device="cpu", notify=lambda _: None, engine="ctranslate2")
    for settings in ({"beam_size": 1}, {"length_penalty": 0}, {"length_penalty": 0, "mbr": "chrf"}):
        texts = ["sun moon star", "", "leaf"]
        found = other.translate(texts, settings=settings)
        assert [x.text for x in found] == [x.text for x in own.translate(texts, settings=settings)]
    assert torch.get_num_threads() == 2
    with pytest.raises(NmtError, match="which only translates"):
        other.score(["sun"], ["SUN"])
    with pytest.raises(NmtError, match="the engines are: nmt, ctranslate2"):
        load_models([ct2_folder], "cpu", print, engine="marian")
    assert set(ENGINES) == {"nmt", "ctranslate2"}


def test_the_working_folder_may_change_after_loading(
    skilled_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative path is that of the folder in which the model was loaded."""
    monkeypatch.chdir(skilled_run.parent)
    model = library.load(skilled_run.name, engine="ctranslate2", notify=lambda _: None)
    monkeypatch.chdir(tmp_path)
    for settings in ({}, {"precision": "float32"}):
        assert model.translate(["sun moon"], settings=settings)[0].text


def test_an_imported_model_and_one_that_writes_the_last_token_first(
    nmt: Run, opus_model: TrainedModel, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """A tokenizer travels with its folder; outputs are turned around, their token scores too."""
    lines, words, folder = tmp_path / "in", tmp_path / "words", tmp_path / "ct2"
    lines.write_text("\n".join(TEXTS["source"]) + "\n", encoding="utf-8")
    words.write_text("sun moon star\n\nrain snow wind tree\n")
    assert nmt("export", opus_model.path, folder, "--to", "ctranslate2").code == 0
    options = ("--beam-size", 1, "--max-length", 12)
    own, other = engines(nmt, opus_model.path, folder, lines, *options)
    assert other == own
    backwards = random_model(tokenizer, {"model.target_order": "right_to_left"})
    path = saved(backwards, tmp_path / "backwards.safetensors")
    asked = (words, "--beam-size", 1, "--n-best", 1, "--token-scores")
    for (one,), (two,) in candidates(nmt, path, path, *asked):
        assert two["text"] == one["text"]
        for token, want in zip(two.get("tokens", ()), one.get("tokens", ()), strict=True):
            assert token["piece"] == want["piece"]
            assert token["log_prob"] == pytest.approx(want["log_prob"], abs=1e-3)


def test_tokens_that_are_no_text_are_never_chosen(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an output is searched again without them; here all tokens of an output are forbidden."""
    lines = tmp_path / "in"
    lines.write_text("sun\n")
    before = with_ctranslate2(nmt, lines, skilled_run, "--beam-size", 1).out

    def more(tokenizer: Tokenizer) -> SpecialIds:
        found = special_ids(tokenizer)
        (ids,) = tokenizer.target.encode([before])
        return replace(found, never=(*found.never, *ids))

    monkeypatch.setattr("nmt.interop.ctranslate2_engine.special_ids", more)
    assert with_ctranslate2(nmt, lines, skilled_run, "--beam-size", 1).out != before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--sample", "does not draw nmt's samples (--sample, decode.method=sample)"),
        ("--glossary terms", "cannot place the terms of a glossary (--glossary)"),
        ("--model other", "runs one model, not an ensemble"),
        ("--set decode.max_segment_tokens=5000", "has 1,024 positions, too few for"),
    ],
)
def test_what_it_cannot_do_is_named(
    options: str, reason: str, nmt: Run, ct2_folder: Path, mixed_lines: Path
) -> None:
    Path("terms").write_text("sun\tMOON\n")
    result = with_ctranslate2(nmt, mixed_lines, ct2_folder, *options.split())
    assert result.code in (1, 2)
    assert reason in result.err.splitlines()[-1]
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert result.out == ""


def test_a_damaged_folder_is_refused_but_the_recipe_may_be_edited(
    nmt: Run, ct2_folder: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "in"
    lines.write_text("sun\n")
    folder = Path(shutil.copytree(ct2_folder, tmp_path / "ct2"))
    recipe = folder / "recipe.toml"
    recipe.write_text(f"{recipe.read_text()}# mine\n")
    assert with_ctranslate2(nmt, lines, folder).code == 0
    for name in ("shared_vocabulary.json", "model.bin", "config.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-9] + bytes(9))
        result = with_ctranslate2(nmt, lines, folder)
        (folder / name).write_bytes(content)
        reason = f"{name} was changed after `nmt export` wrote it; export the model again"
        assert (result.code, reason in result.err) == (1, True)


def test_other_folders_and_other_engines(nmt: Run, ct2_folder: Path, mixed_lines: Path) -> None:
    foreign = Path("foreign")
    foreign.mkdir()
    (foreign / "model.bin").touch()
    for result, reason in (
        (
            with_ctranslate2(nmt, mixed_lines, foreign),
            "is not a folder of `nmt export --to ctranslate2`",
        ),
        (nmt("translate", mixed_lines, "--model", ct2_folder), "add --engine ctranslate2"),
        (nmt("score", mixed_lines, mixed_lines, "--model", ct2_folder), "nmt: "),
    ):
        assert (result.code, reason in result.err) == (1, True)


def test_a_language_is_chosen_in_both_engines(nmt: Run, tmp_path: Path) -> None:
    path, source = saved(two_languages(), tmp_path / "two.safetensors"), tmp_path / "in"
    source.write_text("sun moon\nstar\n>>de<< sun\n")
    export_model(path, tmp_path / "ct2", "ctranslate2")
    options = source, "--beam-size", 1, "--to"
    found = [engines(nmt, path, tmp_path / "ct2", *options, code) for code in ("de", "en")]
    assert found[0][0] == found[0][1] != found[1][0] == found[1][1]
