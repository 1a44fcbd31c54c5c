"""Imported models work in every command; language tokens choose what a multilingual one writes."""

import json
import re
import shutil
from pathlib import Path
from string import ascii_lowercase

import numpy
import pytest

from nmt.config import DecodeSettings
from nmt.decoding.translator.segments import (
    EncodedSegment,
    LineNotes,
    SegmentEncoder,
    SubSegment,
    segment_limit,
)
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel
from tests.conftest import CommandResult, Run
from tests.interop.conftest import imported
from tests.interop.marian_models import TEXTS, Shape, write_folder

DEU, NLD = 4, 5  # the ids of both language tokens
TEXT = "The old woman reads a letter in the garden."
LONG = "The old woman reads a letter. A young man waits for the train. Children play football."


@pytest.fixture
def corpus(tmp_path: Path, opus_model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write parallel text and a model into the current folder."""
    monkeypatch.setenv("NMT_DATA_DIR", "data")
    shutil.copy(opus_model.path, "opus.safetensors")
    for side, name in (("source", "train.en"), ("target", "train.de")):
        # Letters: pairs that differ in digits only are near duplicates.
        lines = [f"{line} {letter}" for letter in ascii_lowercase[:20] for line in TEXTS[side]]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.usefixtures("corpus")
def test_a_model_is_fine_tuned_and_translates(opus_model: TrainedModel, nmt: Run) -> None:
    made = nmt("init", "train.en", "train.de", "-o", "mine.toml", "--init-from", "opus.safetensors")
    assert made.code == 0
    changes = "checkpoint_updates=2", "validate_updates=4", "precision=float32"
    settings = ["--max-updates", 4, *(f"--set=train.{change}" for change in changes)]
    settings += ["--set=decode.beam_size=1", "--set=decode.max_length=5"]
    trained = nmt("train", "mine.toml", *settings)
    assert trained.code == 0, trained.err
    found = read_model(Path("runs/mine/model.safetensors"))
    assert found.tokenizer == opus_model.tokenizer.model
    assert found.recipe.model == opus_model.recipe.model
    bias = found.weights["embeddings.softmax_bias"]
    assert not numpy.array_equal(bias, opus_model.weights["embeddings.softmax_bias"])
    assert nmt("evaluate", "--model", "runs/mine").code == 0
    again = nmt("average", "runs/mine", "--last", 1, "--output", "average.safetensors")
    assert again.code == 0, again.err
    models = "--model", "opus.safetensors", "--model", "runs/mine"
    ensemble = nmt("translate", "train.en", *models, "--beam-size", 1, "--max-length", 5)
    assert ensemble.out.count("\n") == 100


@pytest.mark.usefixtures("corpus")
def test_an_imported_tokenizer_is_not_learned(nmt: Run) -> None:
    text = '[{ source = "train.en", target = "train.de" }]'
    Path("mine.toml").write_text(
        f'extends = "opus.safetensors"\n[data]\ntrain = {text}\ndev = {text}\n'
    )
    shutil.copytree(".", "data", ignore=lambda *_: ["data"])
    for command in ("prepare", "train"):
        refused = nmt(command, "mine.toml")
        assert refused.code == 1
        assert "is the tokenizer of an imported model and cannot be learned" in refused.err
        assert "--init-from" in refused.err
    refused = nmt("train", "mine.toml", "--set", "train.bpe_dropout=0.1")
    assert "train.bpe_dropout needs tokenizer.kind=bpe" in refused.err


def test_separate_vocabularies_are_two(tmp_path: Path, nmt: Run) -> None:
    model = imported(write_folder(tmp_path / "separate", Shape(separate=True, shared=False)))
    assert not model.tokenizer.is_joint
    assert not model.recipe.tokenizer.joint
    assert len(model.tokenizer.target) == 100 + 1
    assert translated(nmt, model, "The garden.\n").out.count("\n") == 1


@pytest.fixture(scope="module")
def model(multilingual: Path) -> TrainedModel:
    return imported(multilingual, "en-mul")


def encoded(
    model: TrainedModel, *texts: str, opening: str = "", most: int = 250
) -> list[EncodedSegment]:
    limit = segment_limit(DecodeSettings(max_segment_tokens=most), model.recipe.model)
    encoder = SegmentEncoder(
        model.tokenizer.source, limit, lambda _: None, repairs=True, token=opening
    )
    return encoder.encode(texts, 1, LineNotes())


def parts_in(segments: list[EncodedSegment]) -> list[SubSegment]:
    return [part for segment in segments for part in segment.parts]


def first_ids(segments: list[EncodedSegment]) -> list[int]:
    return [part.ids[0] for part in parts_in(segments)]


def translated(nmt: Run, model: TrainedModel, text: str, *options: object) -> CommandResult:
    Path("in.txt").write_text(text, encoding="utf-8")
    return nmt("translate", "in.txt", "--model", model.path, *options)


def test_a_token_in_the_text_has_precedence(model: TrainedModel, opus_model: TrainedModel) -> None:
    found = encoded(model, TEXT, f">>nld<< {TEXT}", opening=">>deu<<")
    assert first_ids(found) == [DEU, NLD]
    one, two = parts_in(found)
    assert one.ids[1:] == two.ids[1:]
    assert (one.opening, two.opening) == (1, 1)
    assert parts_in(encoded(model, TEXT))[0].opening == 0
    assert parts_in(encoded(opus_model, f">>deu<< {TEXT}"))[0].opening == 0  # it has no such tokens


@pytest.mark.parametrize("text", ["", "  ", ">>deu<<", ">>deu<<  "])
def test_a_token_alone_is_a_blank_line(text: str, model: TrainedModel) -> None:
    assert not parts_in(encoded(model, text, opening=">>nld<<"))


def test_each_part_keeps_the_token(model: TrainedModel) -> None:
    found = encoded(model, f">>nld<< {LONG}", most=20)
    parts = parts_in(found)
    assert len(parts) > 3
    assert {*first_ids(found)} == {NLD}
    assert max(map(len, parts)) <= 20
    (whole,) = parts_in(encoded(model, f">>nld<< {LONG}"))
    assert [number for part in parts for number in part.ids[1:]] == [*whole.ids[1:]]
    returned = encoded(model, f">>nld<< {TEXT}\rA man.", opening=">>deu<<")
    assert first_ids(returned) == [NLD, NLD]


def test_odd_input_keeps_the_token(model: TrainedModel) -> None:
    texts = ("12:45", "A man \u2603 waits at www.example.org now.", "THE GARDEN")
    found = encoded(model, *(f">>deu<< {text}" for text in texts))
    odd = [segment.odd for segment in found if segment.odd]
    # The last is copied too: all its letters are unknown.
    assert [each.source.text for each in odd if not each.text] == ["12:45", "THE GARDEN"]
    cuts = [span.text.text for each in odd if each.cut for span in each.cut.whole.spans]
    assert cuts == ["\u2603", "www.example.org"]
    assert first_ids(found) == [DEU]
    assert all(DEU not in part.ids[1:] for part in parts_in(found))


def test_the_option_is_a_token_in_each_line(model: TrainedModel, nmt: Run) -> None:
    text = f">>deu<< {TEXT}\n\n>>nld<< {TEXT}\n"
    marked = translated(nmt, model, text, "--n-best", 1)
    assert "language token" not in marked.err
    german, blank, dutch = map(log_prob, marked.out.splitlines())
    assert blank == 0
    assert german != pytest.approx(dutch, abs=1e-3)
    for token, expected in (("deu", german), (">>nld<<", dutch)):
        found = translated(nmt, model, f"{TEXT}\n", "--target-token", token, "--n-best", 1)
        assert log_prob(found.out) == pytest.approx(expected, abs=1e-4)
        assert "language token" not in found.err


def log_prob(line: str) -> float:
    return float(json.loads(line)["translations"][0]["log_prob"])


def test_missing_and_unknown_tokens_are_told(
    model: TrainedModel, opus_model: TrainedModel, nmt: Run
) -> None:
    found = translated(nmt, model, f"{TEXT}\n>>deu<< {TEXT}\n")
    assert "no language token in line 1, so that the model may write any" in found.err
    found = translated(nmt, model, f">>xyz<< {TEXT}\n")
    assert (found.code, found.out.count("\n")) == (0, 1)
    assert "reads as unknown: >>xyz<< (line 1)" in found.err
    found = translated(nmt, opus_model, f"{TEXT}\n", "--target-token", "deu")
    assert (found.code, "is for models with language tokens" in found.err) == (2, True)


def test_an_unknown_token_is_refused(model: TrainedModel, nmt: Run) -> None:
    Path("in.txt").write_text(f"{TEXT}\n")
    for given in (["translate", "in.txt"], ["evaluate", "in.txt", "in.txt"]):
        found = nmt(*given, "--model", model.path, "--target-token", "dex")
        assert found.code == 2
        assert "the model has no language token >>dex<<; did you mean '>>deu<<'?" in found.err


def test_tokens_have_no_links(model: TrainedModel, nmt: Run) -> None:
    found = []
    for text, options in ((f">>deu<< {TEXT}", ()), (TEXT, ("--target-token", "deu"))):
        Path("links").unlink(missing_ok=True)
        translated(nmt, model, f"{text}\n", "--alignments", "links", *options)
        links = Path("links").read_text().split()
        found.append([int(link.partition("-")[0]) for link in links])
    marked, plain = found
    assert plain
    assert marked == [place + 1 for place in plain]
    assert max(plain) < len(TEXT.split())


def test_scores_and_pages_are_those_of_the_text_with_its_token(
    model: TrainedModel, nmt: Run
) -> None:
    Path("pairs.tsv").write_text(f"{TEXT}\tEin Brief.\n>>nld<< {TEXT}\tEin Brief.\n")
    given = ("score", "pairs.tsv", "--model", model.path, "--output-format", "json")
    scores = [
        [json.loads(line)["log_prob"] for line in nmt(*given, *options).out.splitlines()]
        for options in (("--target-token", "nld"), ("--target-token", "deu"), ())
    ]
    marked = scores[0][1]
    assert scores[0][0] == pytest.approx(marked, abs=1e-4)
    assert [row[1] for row in scores[1:]] == pytest.approx([marked] * 2, abs=1e-4)
    assert len({round(row[0], 2) for row in scores}) == 3
    options = ("--model", model.path, "--output", "page.html", "--target-token", "deu")
    assert nmt("explain", TEXT, *options).code == 0
    assert re.search(r'"[^"]*deu[^"]*"', Path("page.html").read_text())
