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
from nmt.errors import NmtError
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import Tokenizer
from tests.conftest import Run, train_skilled
from tests.interop.marian_models import TEXTS

pytest.importorskip("ctranslate2")

NUMBERS = ["score", "log_prob"]
ROOM = ["--set", "decode.max_extra_tokens=30"]  # few outputs reach their greatest length


def engines(nmt: Run, own: Path, other: Path, *arguments: object) -> tuple[str, str]:
    """Return the output of both engines for the same command line."""
    found = []
    for engine, model in (("nmt", own), ("ctranslate2", other)):
        result = nmt("translate", *arguments, "--model", model, "--engine", engine)
        assert result.code == 0, result.err
        found.append(result.out)
    return found[0], found[1]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--max-length", 3],
        ["--min-length", 4],
        ["--no-repeat-ngram", 1],
        ["--set", "decode.max_segment_tokens=9"],
        ["--set", "decode.odd_input=as_is"],
    ],
    ids=["plain", "max_length", "min_length", "no_repeat_ngram", "split", "as_is"],
)
def test_greedy_outputs_are_equal(
    options: list[object], nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path
) -> None:
    own, other = engines(nmt, skilled_run, ct2_folder, mixed_lines, "--beam-size", 1, *options)
    assert other == own


@pytest.mark.parametrize(
    "options",
    [
        ["--length-penalty", 0],
        ["--length-penalty", 0.6],
        ["--set", "decode.stopping=beam_finished"],
        ["--mbr", "chrf"],
        ["--no-repeat-ngram", 2],
    ],
    ids=["alpha_0", "gnmt", "beam_finished", "mbr", "no_repeat_ngram"],
)
def test_almost_all_outputs_of_a_beam_are_equal(
    options: list[object], nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path
) -> None:
    """This model is unsure; a model that can translate gives more equal outputs."""
    own, other = engines(nmt, skilled_run, ct2_folder, mixed_lines, *options, *ROOM)
    pairs = [*zip(own.splitlines(), other.splitlines(), strict=True)]
    assert sum(one == two for one, two in pairs) >= 0.6 * len(pairs)


def pieces_of(candidate: dict[str, Any]) -> tuple[str, ...]:
    """Return the tokens of a candidate, empty if it was copied."""
    return tuple(each["piece"] for each in candidate.get("tokens", ()))


@pytest.mark.parametrize(
    "options",
    [
        ["--n-best", 4, "--length-penalty", 0],
        ["--n-best", 4, "--beam-size", 4],
        ["--n-best", 2, "--min-length", 4, "--length-penalty", 0],
    ],
    ids=["alpha_0", "gnmt", "min_length"],
)
def test_scores_mean_the_same(
    options: list[object], nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path
) -> None:
    """Candidates are compared by their tokens: two may have the same text and other scores."""
    asked = [*options, "--token-scores", *ROOM]
    own, other = (
        [json.loads(line)["translations"] for line in out.splitlines()]
        for out in engines(nmt, skilled_run, ct2_folder, mixed_lines, *asked)
    )
    equal = compared = 0
    for ours, theirs in zip(own, other, strict=True):
        assert len(theirs) == len(ours)
        assert theirs == sorted(theirs, key=lambda each: -each["score"])
        known = {pieces_of(each): each for each in ours}
        equal += ours[0]["text"] == theirs[0]["text"]
        for each in theirs:
            expected = known.get(pieces_of(each))
            if expected is None:
                continue
            compared += 1
            for name in NUMBERS:
                assert each[name] == pytest.approx(expected[name], abs=1e-3)
            for token, want in zip(each["tokens"], expected["tokens"], strict=True):
                assert token["log_prob"] == pytest.approx(want["log_prob"], abs=1e-3)
    assert equal >= 0.9 * len(own)
    assert compared >= 0.7 * sum(map(len, own))


def test_prefixes(nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "in"
    lines.write_text("sun moon\tSTAR\nrain\t\nsnow wind tree\tWIND\n")
    own, other = engines(
        nmt, skilled_run, ct2_folder, lines, "--prefix-column", "--n-best", 2, "--length-penalty", 0
    )
    for ours, theirs in zip(own.splitlines(), other.splitlines(), strict=True):
        (one, *_), (two, *_) = json.loads(ours)["translations"], json.loads(theirs)["translations"]
        assert two["text"] == one["text"]
        assert two["log_prob"] == pytest.approx(one["log_prob"], abs=1e-3)
    assert json.loads(other.splitlines()[0])["translations"][0]["text"].startswith("STAR")


def test_alignments(nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path) -> None:
    lines, links = tmp_path / "in", []
    lines.write_text("sun moon star\nseed\nroot leaf\n")
    for engine, model in (("nmt", skilled_run), ("ctranslate2", ct2_folder)):
        path = tmp_path / engine
        options = ("--engine", engine, "--model", model, "--alignments", path)
        assert nmt("translate", lines, *options).code == 0
        links.append(path.read_text())
    assert links[0] == links[1] != ""


def test_a_model_file_is_converted_first(
    nmt: Run, skilled_run: Path, ct2_folder: Path, mixed_lines: Path, tmp_path: Path
) -> None:
    model = skilled_run / "model.safetensors"
    result = nmt("translate", mixed_lines, "--model", model, "--engine", "ctranslate2")
    assert result.err.startswith(f"model: {model} ")
    expected = nmt("translate", mixed_lines, "--model", ct2_folder, "--engine", "ctranslate2")
    assert result.out == expected.out
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_outputs_do_not_depend_on_batches(nmt: Run, ct2_folder: Path, mixed_lines: Path) -> None:
    outs = {
        nmt(
            "translate", mixed_lines, "--model", ct2_folder, "--engine", "ctranslate2", *options
        ).out
        for options in (
            (),
            ("--set", "decode.batch_tokens=9"),
            ("--set", "decode.batch_tokens=5000"),
        )
    }
    assert len(outs) == 1


def test_parts_flags_and_resume(
    nmt: Run, ct2_folder: Path, mixed_lines: Path, tmp_path: Path
) -> None:
    options = ("--model", ct2_folder, "--engine", "ctranslate2")
    whole = nmt("translate", mixed_lines, *options).out
    parts = [nmt("translate", mixed_lines, *options, "--part", f"{n}/2").out for n in (1, 2)]
    assert "".join(parts) == whole
    output, flags = tmp_path / "out", tmp_path / "flags"
    given = ("translate", mixed_lines, *options, "--output", output)
    assert nmt(*given, "--resume").code == 0
    assert output.read_bytes().decode() == whole
    assert nmt(*given, "--flags", flags).code == 0
    assert len(flags.read_text().splitlines()) == whole.count("\n")


def test_evaluate(nmt: Run, skilled_run: Path, ct2_folder: Path, tmp_path: Path) -> None:
    source, reference = tmp_path / "a", tmp_path / "b"
    source.write_text("sun moon\nstar\n")
    reference.write_text("MOON SUN\nSTAR\n")
    given = ("evaluate", source, reference, "--beam-size", 1)
    own = nmt(*given, "--model", skilled_run)
    other = nmt(*given, "--model", ct2_folder, "--engine", "ctranslate2")
    assert own.code == other.code == 0
    assert other.out.replace(", searched by CTranslate2", "") == own.out != other.out
    assert (
        json.loads(nmt(*given, "--model", ct2_folder, "--engine", "ctranslate2", "--json").out)[
            "engine"
        ]
        == "CTranslate2"
    )
    options = ("--model", skilled_run, "--engine", "ctranslate2", "--compare", ct2_folder)
    assert nmt(*given, *options).code == 0


def test_python(ct2_folder: Path, skilled_run: Path) -> None:
    own = library.load(skilled_run, device="cpu", notify=lambda _: None)
    other = library.load(ct2_folder, device="cpu", notify=lambda _: None, engine="ctranslate2")
    for settings in ({"beam_size": 1}, {"length_penalty": 0}):
        texts = ["sun moon star", "", "leaf"]
        found = other.translate(texts, settings=settings)
        assert [x.text for x in found] == [x.text for x in own.translate(texts, settings=settings)]
    with pytest.raises(NmtError, match="which only translates"):
        other.score(["sun"], ["SUN"])
    with pytest.raises(NmtError, match="the engines are: nmt, ctranslate2"):
        load_models([ct2_folder], "cpu", print, engine="marian")
    assert set(ENGINES) == {"nmt", "ctranslate2"}


def test_the_working_folder_may_change_after_loading(
    ct2_folder: Path, skilled_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative path is that of the folder in which the model was loaded."""
    for path in (ct2_folder, skilled_run):
        monkeypatch.chdir(path.parent)
        model = library.load(path.name, engine="ctranslate2", notify=lambda _: None)
        monkeypatch.chdir(tmp_path)
        assert model.translate(["sun moon"])[0].text
        assert model.translate(["sun moon"], settings={"precision": "float32"})[0].text


def test_pytorch_keeps_its_threads(ct2_folder: Path) -> None:
    torch.set_num_threads(2)  # CTranslate2 would make it 1
    library.load(ct2_folder, engine="ctranslate2").translate(["sun moon"])
    assert torch.get_num_threads() == 2


def test_right_to_left(nmt: Run, right_to_left_run: Path, mixed_lines: Path) -> None:
    """Outputs are turned around, their token scores too."""
    options = ("--n-best", 1, "--beam-size", 1, "--token-scores")
    own, other = engines(nmt, right_to_left_run, right_to_left_run, mixed_lines, *options)
    for ours, theirs in zip(own.splitlines(), other.splitlines(), strict=True):
        (one,), (two,) = json.loads(ours)["translations"], json.loads(theirs)["translations"]
        assert two["text"] == one["text"]
        for token, want in zip(two["tokens"], one["tokens"], strict=True):
            assert token["piece"] == want["piece"]
            assert token["log_prob"] == pytest.approx(want["log_prob"], abs=1e-3)


def test_an_imported_model(nmt: Run, opus_model: TrainedModel, tmp_path: Path) -> None:
    """Its tokenizer travels with the folder; a package for Argos Translate is refused."""
    lines, folder = tmp_path / "in", tmp_path / "ct2"
    lines.write_text("\n".join(TEXTS["source"]) + "\n", encoding="utf-8")
    assert nmt("export", opus_model.path, folder, "--to", "ctranslate2").code == 0
    options = ("--beam-size", 1, "--max-length", 12)
    own, other = engines(nmt, opus_model.path, folder, lines, *options)
    assert other == own
    refused = nmt("export", opus_model.path, tmp_path / "x.argosmodel", "--to", "argos")
    assert refused.code == 1
    assert "needs one SentencePiece model for both languages" in refused.err


def test_tokens_that_are_no_text_are_never_chosen(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an output is searched again without them; here all tokens of an output are forbidden."""
    lines = tmp_path / "in"
    lines.write_text("sun\n")
    options = ("translate", lines, "--model", skilled_run, "--engine", "ctranslate2")
    before = nmt(*options, "--beam-size", 1).out

    def more(tokenizer: Tokenizer) -> SpecialIds:
        found = special_ids(tokenizer)
        (ids,) = tokenizer.target.encode([before])
        return replace(found, never=(*found.never, *ids))

    monkeypatch.setattr("nmt.interop.ctranslate2_search.special_ids", more)
    after = nmt(*options, "--beam-size", 1).out
    assert after != before


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"model__norm": "pre", "model__norm_kind": "rms", "model__activation": "swiglu"},
        {"model__positions": "rotary"},
        {"model__positions": "learned", "model__tied": "none"},
        {"model__d_k": 8, "model__attention_bias": "true", "model__softmax_bias": "true"},
    ],
    ids=["pre_rms_swiglu", "rotary", "learned", "biases"],
)
def test_trained_variants(
    settings: dict[str, object], nmt: Run, mixed_lines: Path, tmp_path: Path
) -> None:
    run = train_skilled(tmp_path, **settings)
    for options in (("--beam-size", 1), ("--length-penalty", 0)):
        own, other = engines(nmt, run, run, mixed_lines, *options, *ROOM)
        pairs = [*zip(own.splitlines(), other.splitlines(), strict=True)]
        assert sum(one == two for one, two in pairs) >= (1 if "1" in str(options) else 0.9) * len(
            pairs
        )


@pytest.mark.parametrize("name", ["shared_vocabulary.json", "model.bin", "config.json"])
def test_a_damaged_folder_is_refused(
    nmt: Run, ct2_folder: Path, mixed_lines: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(ct2_folder, tmp_path / "ct2"))
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text() + "# mine\n")
    arguments = ["translate", mixed_lines, "--model", folder, "--engine", "ctranslate2"]
    assert nmt(*arguments).code == 0
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-9] + bytes(9))
    result = nmt(*arguments)
    assert result.code == 1
    assert f"{name} was changed after `nmt export` wrote it; export the model again" in result.err
