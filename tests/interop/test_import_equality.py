"""Imported models equal the originals in transformers: logits and outputs."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import EOS, SubwordModel
from tests.interop.conftest import imported
from tests.interop.marian_models import TEXTS, Original, Shape, write_folder

CLOSE = 1e-4  # between logits
# An output that reaches its last token is scored in another way: transformers forces its end free
# of charge. No output is so long.
ROOM = 60
SHAPES = {
    "tied": Shape(),
    "separate": Shape(separate=True, shared=False),
    "odd": Shape(d_model=15, heads=3, activation="relu", languages=(">>deu<<",)),
    "own": Shape(shared=False, activation="gelu", encoder_layers=1, decoder_layers=2),
    "untied": Shape(shared=False, separate=True, tied=False, d_ff=40),
    "large": Shape(d_model=64, d_ff=256, heads=8, encoder_layers=6, decoder_layers=6),
}


def drawn(subwords: SubwordModel, count: int) -> Iterator[list[int]]:
    """Yield sequences of random tokens."""
    draw = random.Random(5)
    for _ in range(count):
        ids = range(EOS + 1, len(subwords))
        yield draw.choices(ids, k=draw.randint(1, 20))


def outputs(model: TrainedModel, sources: list[list[int]], beam_size: int) -> list[tuple[int, ...]]:
    """Return the best outputs of our search."""
    settings = DecodeSettings(
        beam_size=beam_size, length_penalty=0.0, max_extra_tokens=ROOM, odd_input="as_is"
    )
    translator = Translator(model, settings, lambda _: None)
    return [tuple(best.ids) for best, *_ in translator.search(sources)]


def check_equal(model: TrainedModel, original: Original, sources: list[list[int]]) -> None:
    """Check logits, greedy outputs and those of a beam of 4."""
    targets = [*drawn(model.tokenizer.target, len(sources))]
    differences = map(original.logit_difference, sources, targets)
    assert max(differences) < CLOSE
    for beam_size in (1, 4):
        theirs = [tuple(original.search(each, beam_size, len(each) + ROOM)) for each in sources]
        assert outputs(model, sources, beam_size) == theirs


def test_a_small_model_is_equal(opus: Path, opus_model: TrainedModel) -> None:
    sources = opus_model.tokenizer.source.encode(TEXTS["source"])
    check_equal(opus_model, Original(opus, opus_model), sources)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_models_are_equal(name: str, tmp_path: Path) -> None:
    pickled = len(name) % 2 == 0
    folder = write_folder(tmp_path / "model", SHAPES[name], seed=len(name), pickled=pickled)
    model = imported(folder)
    check_equal(model, Original(folder, model), [*drawn(model.tokenizer.source, 50)])
