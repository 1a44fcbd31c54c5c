"""Validations: the best model, odd dev sets, and targets that are learned backwards."""

import json
from dataclasses import replace
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.decoding.models.forced import forced_log_probs
from nmt.decoding.models.pytorch import make_decoder
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.prepare import Prepared
from nmt.text.reading.corpus import Pair
from nmt.text.shards import open_shard
from nmt.text.subwords.tokenizer import BOS, EOS, load_tokenizer
from nmt.training.validation import DevSet
from tests.conftest import Run
from tests.interop.models import random_model, two_languages
from tests.training.conftest import TINY, Train, read_lines, read_metrics

PAIRS = [("sun moon", "MOON SUN"), ("rain", "RAIN"), ("tree leaf root", "ROOT LEAF TREE")]


@pytest.fixture(scope="module")
def prepared(tiny_run: Path) -> Prepared:
    tokenizer = load_tokenizer(tiny_run / "tokenizer.model")
    shard = open_shard(tiny_run / "prepared", "train-0", len(tokenizer))
    return Prepared(tokenizer, (shard,), ("text",), "")


@pytest.fixture(scope="module")
def model(prepared: Prepared) -> TrainedModel:
    """Return a model of random weights that writes the last token first."""
    settings = {"model.target_order": "right_to_left", "decode.max_extra_tokens": 4}
    return random_model(prepared.tokenizer, settings)


@pytest.mark.parametrize(("metric", "best_of"), [("bleu", max), ("loss", min)])
def test_the_best_model_is_chosen_by_the_metric(train: Train, metric: str, best_of: Any) -> None:
    often = (f"train.early_stopping_metric={metric}", "train.validate_updates=5")
    errors = train(*often, updates=40)
    dev = read_lines("dev")
    best = best_of(dev, key=lambda line: line[metric])
    assert read_model(TINY.best).updates == (best["update"],)
    assert f"at update {best['update']}" in errors


@pytest.mark.parametrize(("text", "code"), [("\n" * 10, 0), ("sun " * 300 + "\n", 1)])
def test_a_dev_set_of_blank_or_too_long_segments(train: Train, text: str, code: int) -> None:
    """Blank sources are no error; a dev set without a pair that counts for the loss is one."""
    Path("dev.src").write_text(text)
    Path("dev.tgt").write_text("SUN\n" * text.count("\n"))
    errors = train(updates=1, code=code)
    message = "every pair of the dev set is longer than data.max_length=250"
    assert (message in errors) == bool(code)


def test_validation_bleu_is_what_evaluate_prints(nmt: Run, skilled_run: Path) -> None:
    """The tiny recipe's test set is its dev set, so that the scores must be equal.

    A validation does not search again where an output repeats itself.
    """
    options = ["--data-dir", skilled_run.parent.parent, "--set", "decode.odd_input=as_is"]
    printed = json.loads(nmt("evaluate", "--model", skilled_run, *options, "--json").out)
    averaged = read_metrics(skilled_run)[-1]
    assert averaged["kind"] == "average"
    assert averaged["bleu"] > 0
    assert printed["results"][0]["scores"]["BLEU"]["value"] == averaged["bleu"]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_batches_have_targets_backwards(prepared: Prepared, dropout: float) -> None:
    """After BPE-dropout, with EOS last; sources stay."""
    dropouts = bpe_dropouts(prepared.tokenizer, dropout, 3)
    indices = numpy.arange(20)
    plain, turned = (
        PairDataset(prepared.shards, prepared.names, dropouts, right_to_left=turn).batch(indices, 1)
        for turn in (False, True)
    )
    assert torch.equal(plain.source, turned.source)
    for natural, row in zip(plain.labels.tolist(), turned.labels.tolist(), strict=True):
        length = natural.index(EOS)
        assert row == [*natural[:length][::-1], *natural[length:]]
        assert prepared.tokenizer.target.decode(row[:length][::-1])


def test_the_dev_loss_is_that_of_targets_backwards(model: TrainedModel) -> None:
    """The loss equals the loss of a left-to-right reading of hand-turned ids."""
    dev = DevSet(model.recipe, {("en", "de"): [*starmap(Pair, PAIRS)]}, model.tokenizer)
    total = count = 0.0
    for source, target in PAIRS:
        ids = [*model.tokenizer.target.encode([target])[0][::-1], EOS]
        read = torch.tensor([[*model.tokenizer.source.encode([source])[0], EOS]])
        with torch.no_grad():
            logits = model.network(read, torch.tensor([[BOS, *ids[:-1]]]))
        total -= float(logits[0].log_softmax(-1)[range(len(ids)), ids].sum())
        count += len(ids)
    assert dev.loss(model.network)[1] == pytest.approx(total / count, rel=1e-5)
    straight = replace(model.recipe.model, target_order="left_to_right")
    other = DevSet(
        replace(model.recipe, model=straight),
        {("en", "de"): [*starmap(Pair, PAIRS)]},
        model.tokenizer,
    )
    assert other.loss(model.network)[1] != pytest.approx(total / count, rel=0.01)


def test_outputs_are_in_natural_order(model: TrainedModel) -> None:
    """Texts, and ids whose log-probability by forced decoding is that of the search.

    The model reads an output from its last token on, so that the probability of EOS is its last.
    """
    translator = Translator(model, model.recipe.decode, print, OutputOptions(2))
    sources = ["sun moon", "tree leaf root"]
    texts = [translation.text for translation in translator.translate(sources)]
    ids = model.tokenizer.source.encode(sources)
    found = translator.search(ids)
    assert [model.tokenizer.target.decode(best.ids) for best, _ in found] == texts
    outputs = [[hypothesis.ids for hypothesis in hypotheses] for hypotheses in found]
    scored = forced_log_probs([make_decoder(model.network)], ids, outputs, 100)
    for source, hypotheses, scores in zip(ids, found, scored, strict=True):
        for hypothesis, log_probs in zip(hypotheses, scores, strict=True):
            assert sum(log_probs) == pytest.approx(hypothesis.log_prob, abs=1e-4)
            labels = [*hypothesis.ids[::-1], EOS]
            with torch.no_grad():
                read = torch.tensor([[BOS, *labels[:-1]]])
                logits = model.network(torch.tensor([[*source, EOS]]), read)
            expected = logits[0].log_softmax(-1)[range(len(labels)), labels].tolist()
            assert [*log_probs[-2::-1], log_probs[-1]] == pytest.approx(expected, abs=1e-4)


def test_each_direction_of_a_dev_set_has_its_token_and_its_score() -> None:
    """The loss is that of all pairs; the score is the mean of the directions."""
    model = two_languages()
    pairs = {("en", "de"): [Pair("sun moon", "star")], ("de", "en"): [Pair("moon", "sun sun")] * 2}
    dev = DevSet(model.recipe, pairs, model.tokenizer)
    opened = [source[0] for source, _ in dev.encoded]
    assert opened == [model.tokenizer.source.language_id(f">>{to}<<") for to in ("de", "en", "en")]
    alone = [DevSet(model.recipe, {pair: pairs[pair]}, model.tokenizer) for pair in pairs]
    (found, *parts) = [dev_set.validate(model.network) for dev_set in (dev, *alone)]
    tokens = [sum(len(target) + 1 for _, target in dev_set.encoded) for dev_set in alone]
    sums = [part.loss * count for part, count in zip(parts, tokens, strict=True)]
    assert found.loss == pytest.approx(sum(sums) / sum(tokens))
    assert found.by_direction == {"en-de": parts[0].score, "de-en": parts[1].score}
    assert found.score == pytest.approx((parts[0].score + parts[1].score) / 2)
    assert not parts[0].by_direction
