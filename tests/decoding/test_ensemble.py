"""An ensemble searches the mean of its models' probabilities."""

import math
from pathlib import Path
from shutil import copyfile

import pytest
import torch

from nmt.decoding.models.ensemble import Ensemble
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import TrainedModel, load_ensemble
from tests.conftest import WORDS
from tests.decoding.test_beam import IDS, VOCABULARY, Table, beam_search, exhaustive, same

ALPHA = 0.6
SEGMENTS = [" ".join(WORDS[i % 10] for i in range(n)) for n in (3, 1, 7, 12, 2)]


class Mean(Table):
    """The reference: the mean of the probabilities of several tables, in double precision."""

    def __init__(self, *tables: Table) -> None:
        super().__init__(0)
        self.tables = tables

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        rows = [torch.tensor(each.logits(sentence, prefix)).double() for each in self.tables]
        mean = torch.stack([row.softmax(-1) for row in rows]).mean(0)
        return [math.log(each) for each in mean.tolist()]


def search(tables: list[Table], lengths: list[int], width: int) -> list[list[Hypothesis]]:
    """Search sentences 0, 1, ... with an ensemble of fake models."""
    source = torch.arange(len(lengths))[:, None]
    model = Ensemble(tables)
    return beam_search(
        model, source, lengths, IDS, beam_size=width, alpha=ALPHA, n_best=min(7, width)
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_full_width_equals_exhaustive_search_of_the_mean(seed: int, count: int) -> None:
    tables = [Table(10 * seed + number, 2.0) for number in range(count)]
    lengths = [5, 4, 1]
    found = search(tables, lengths, width=108)
    for sentence, max_length in enumerate(lengths):
        expected = exhaustive(Mean(*tables), sentence, max_length, ALPHA)[:7]
        assert same(found[sentence], expected)


def test_mean_of_two_by_hand() -> None:
    """The mean of 0.9 and 0.3 is 0.6; an offset of a model's logits does not matter."""

    class Fixed(Table):
        def __init__(self, offset: float, *odds: float) -> None:
            super().__init__(0)
            self.row = [offset + math.log(each) for each in odds]

        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return self.row

    one, other = Fixed(5.0, 0.02, 0.9, 0.02, 0.03, 0.03), Fixed(-9.0, 0.1, 0.3, 0.4, 0.1, 0.1)
    model = Ensemble([one, other])
    logits, _ = model.step(torch.zeros(1, 1, dtype=torch.long), model.encode(torch.zeros(1, 1)))
    assert logits.exp().flatten().tolist() == pytest.approx([0.06, 0.6, 0.21, 0.065, 0.065])


def test_nan_of_one_model_gives_no_output() -> None:
    class Diverged(Table):
        def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
            return [math.nan] * VOCABULARY

    assert search([Table(1), Diverged(2)], [4, 2], 3) == [[], []]


def test_result_does_not_depend_on_order_or_repetition() -> None:
    tables, lengths = [Table(1), Table(2)], [7, 3, 9]
    found = search(tables, lengths, 7)
    for others in (tables[::-1], tables * 2):
        for left, right in zip(search(others, lengths, 7), found, strict=True):
            assert same(left, right)


def load(*runs: Path) -> TrainedModel:
    return load_ensemble(runs, "cpu")


def translate(model: TrainedModel, segments: list[str]) -> list[Translation]:
    """Translate with the settings of the recipe."""
    translator = Translator(model, model.recipe.decode, lambda _: None, OutputOptions(n_best=3))
    return list(translator.translate(segments))


def alike(found: list[Translation], expected: list[Translation]) -> bool:
    """Return True if the texts are equal, and the scores up to float32's rounding."""
    ours = [each for one in found for each in one.candidates]
    theirs = [each for one in expected for each in one.candidates]
    return [each.text for each in ours] == [each.text for each in theirs] and [
        each.log_prob for each in ours
    ] == pytest.approx([each.log_prob for each in theirs], abs=1e-4)


def test_a_model_and_its_copy_translate_as_the_model(tiny_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copyfile(tiny_run / "model.safetensors", copy)
    twice = translate(load(tiny_run, copy), SEGMENTS)
    assert alike(twice, translate(load(tiny_run), SEGMENTS))


def test_models_of_different_shapes_do_not_depend_on_the_batch(
    tiny_run: Path, skilled_run: Path
) -> None:
    """The ensemble translates segments one by one as together, and unlike each model alone."""
    model = load(skilled_run, tiny_run)
    together = translate(model, SEGMENTS)
    assert alike([each for one in SEGMENTS for each in translate(model, [one])], together)
    for alone in (load(skilled_run), load(tiny_run)):
        assert not alike(translate(alone, SEGMENTS), together)
