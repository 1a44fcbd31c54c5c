"""The search for a GPU finds what the other search finds, on tensors of the CPU.

That it waits only between blocks, `tests/gpu` shows.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config import ModelSettings
from nmt.decoding.models.pytorch import BLOCK, DecoderState, Ensemble, IncrementalDecoder
from nmt.decoding.search import device_beam
from nmt.decoding.search.device_beam import STEPS
from nmt.decoding.search.rules import SpecialIds
from nmt.decoding.search.search import AnyIds
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.system.pools import ProcessPool
from nmt.text.subwords.tokenizer import BOS, EOS, PAD
from tests.conftest import WORDS
from tests.decoding.conftest import assert_alike
from tests.decoding.test_beam import IDS, Table, beam_search, on_device, same

LENGTHS = [11, 1, 4, 23, 8, 9, 16, 2]
SETTINGS = ModelSettings(
    encoder_layers=1, decoder_layers=2, d_model=16, d_ff=24, heads=2, d_k=8, d_v=8
)
NETWORK_IDS = SpecialIds(BOS, EOS, never=(PAD, BOS))
V = 30


class CopyingDecoder(IncrementalDecoder):
    """A decoder that selects rows as on a GPU."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.in_place = False


def both(model: Any, other: Any, source: Tensor, ids: SpecialIds, **settings: Any) -> None:
    """Assert that both searches find the same, a single fake model bit for bit."""
    expected = beam_search(model, source, LENGTHS, ids, **settings)
    found = on_device(other, source, LENGTHS, ids, **settings)
    assert any(expected)
    if isinstance(model, Table):
        assert found == expected
    # Batches of other sizes round in another way, and so does logaddexp at another index.
    assert all(map(same, found, expected))


def tables(count: int, seed: int) -> Any:
    every = [Table(seed + number, 1.5) for number in range(count)]
    return Ensemble(every) if count > 1 else every[0]


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("stopping", ["safe", "beam_finished"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_both_forms_find_the_same(
    width: int, stopping: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hypotheses, log-probabilities and scores are equal, however long a block of steps is."""
    monkeypatch.setattr(device_beam, "STEPS", steps)
    source = torch.arange(len(LENGTHS))[:, None]
    cases = ((1, 0.6, 1), (width, 0.0, 2), ((width + 1) // 2, 2.5, 1))
    for seed, (n_best, alpha, count) in enumerate(cases, start=10 * steps):
        settings: dict[str, Any] = {"beam_size": width, "alpha": alpha, "n_best": n_best}
        settings["stopping"] = stopping
        both(tables(count, seed), tables(count, seed), source, IDS, **settings)


def networks(seed: int, count: int) -> list[Transformer]:
    torch.manual_seed(seed)
    return [Transformer(SETTINGS, V, PAD).eval() for _ in range(count)]


def sources(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(EOS + 1, V, (len(LENGTHS), 9), generator=generator)
    for row in range(len(source)):
        source[row, row + 1 :] = PAD
        source[row, row] = EOS
    return source


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("seed", range(2))
def test_networks_that_copy_rows_find_the_same(seed: int, width: int, count: int) -> None:
    every = networks(seed, count)
    host, device = (
        Ensemble([kind(network) for network in every])
        for kind in (IncrementalDecoder, CopyingDecoder)
    )
    settings: dict[str, Any] = {"beam_size": width, "alpha": 0.6, "n_best": width}
    both(host, device, sources(seed), NETWORK_IDS, **settings)


def test_a_batch_of_nothing_has_no_result() -> None:
    empty = torch.zeros(0, 1, dtype=torch.long)
    assert on_device(Table(0), empty, [], IDS, beam_size=2, alpha=0.6) == []


def test_a_translator_on_a_gpu_writes_the_same(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its two parts that differ, on tensors of the CPU, for segments of different lengths."""
    settings = replace(model.recipe.decode, max_extra_tokens=20, odd_input="as_is")
    segments = [" ".join(WORDS[(2 * i + n) % 10] for i in range(n % 13)) for n in range(40)]

    def translate(*, on_gpu: bool) -> list[Translation]:
        trained = TrainedModel.from_network(model.network, model.tokenizer, model.recipe)
        translator = Translator(trained, settings, print, OutputOptions(3), pool=ProcessPool(1))
        monkeypatch.setattr(translator.searcher, "_is_gpu", on_gpu)
        return list(translator.translate(segments))

    expected = translate(on_gpu=False)
    monkeypatch.setattr("nmt.decoding.models.pytorch.IncrementalDecoder", CopyingDecoder)
    assert_alike(translate(on_gpu=True), expected)


def test_no_shape_changes_within_a_block() -> None:
    """From the second step on: caches grow, and sentences leave, between blocks only."""
    assert BLOCK % STEPS == 0
    shapes: list[tuple[torch.Size, ...]] = []

    class Watching(CopyingDecoder):
        def step(self, last_ids: AnyIds, state: DecoderState) -> tuple[Tensor, DecoderState]:
            logits, after = super().step(last_ids, state)
            ids = torch.as_tensor(last_ids)
            shapes.append((ids.shape, after.self_keys.shape, after.memory_keys.shape))
            return logits, after

    model = Watching(networks(1, 1)[0])
    on_device(model, sources(1), LENGTHS, NETWORK_IDS, beam_size=4, alpha=0.6, n_best=4)
    assert len(set(shapes)) > 2
    for first in range(0, len(shapes), STEPS):
        assert len(set(shapes[max(1, first) : first + STEPS])) == 1
