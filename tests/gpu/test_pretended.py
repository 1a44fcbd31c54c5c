"""A GPU that is not there: the program takes the GPU's path and waits as seldom as promised."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor

from benchmarks.pretend_device import OnDevice, OperatorCount, moved, pretended
from benchmarks.synthetic import QUICK, SyntheticPairs, newstest, tokenizer
from nmt.config import DecodeSettings, Recipe
from nmt.decoding.search.device_beam import STEPS
from nmt.decoding.translator.translator import Translator
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import PAD
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater
from tests.gpu.conftest import PRETENDED

pytestmark = PRETENDED
ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = 100


@pytest.mark.parametrize(
    ("wait", "name"),
    [
        (lambda x: x.sum().item(), "item"),
        (lambda x: bool(x.any()), "item"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x[[0, 1]], "copy to the device"),
        (lambda x: x[numpy.array([0, 1])], "copy to the device"),
        (lambda x: torch.as_tensor([1], device=x.device), "copy to the device"),
        (lambda x: torch.as_tensor(x, device=x.device), None),
        (lambda x: x.cpu(), "copy to the host"),
        (lambda x: torch.tensor([1], device=x.device), "copy to the device"),
        (lambda x: torch.zeros(1).to(x.device), "copy to the device"),
        (lambda x: torch.zeros(1).pin_memory().to(x.device, non_blocking=True), None),
        (lambda x: torch.zeros(1, device=x.device) + x, None),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_waits_are_counted(
    wait: Callable[[Tensor], object], name: str | None, inference: bool
) -> None:
    count = OperatorCount()
    with pretended(count) as device, torch.inference_mode(inference):
        x = torch.zeros(3, device=device)
        assert isinstance(x, OnDevice)
        assert (x + 1).device.type == "cuda"
        with count:
            wait(x)
    assert +count.waits == ({name: 1} if name else {})


def test_values_reach_the_host_when_python_has_waited_for_their_copy() -> None:
    count = OperatorCount()
    with pretended(count) as device, count:
        x = torch.ones(1, device=device)
        copied = x.to("cpu", non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(device))
        x += 1
        assert (copied.tolist(), +count.waits) == ([0], {})
        event.synchronize()
        assert (copied.tolist(), +count.waits, count.queued) == ([1], {"event": 1}, 1)


def test_an_update_waits_once_for_the_result_of_the_one_before() -> None:
    """The GPU still has the whole update to do when Python has the result of the one before."""
    count = OperatorCount()
    batch = SyntheticPairs.of(20, VOCABULARY).batch(torch.arange(20).numpy(), 0)
    model = replace(QUICK, dropout=0.0)

    def updater_of(device: torch.device) -> Updater:
        torch.manual_seed(1)
        network = Transformer(model, VOCABULARY, PAD)
        if device.type == "cuda":
            moved(network)
        made = Updater(Recipe("gpu", model=model), network, Workers(), device)
        made.set_up()
        return made

    plain = updater_of(torch.device("cpu"))
    expected = [
        plain.start([batch], number, True, None).result().smoothed_loss for number in (1, 2, 3)
    ]
    with pretended(count) as device:
        updater = updater_of(device)
        share = [batch.to(device)]
        found = [updater.start(share, 1, True, None).result()]
        with count:
            before = updater.start(share, 2, True, None)
            count.clear()
            last = updater.start(share, 3, True, None)
            operators = sum(count.operators.values())
            assert not +count.waits
            found.append(before.result())
            assert (+count.waits, count.queued > operators) == ({"event": 1}, True)
            found.append(last.result())
            assert (+count.waits, count.queued) == ({"event": 2}, 0)
    assert [each.smoothed_loss for each in found] == pytest.approx(expected, rel=1e-4)


def test_a_search_waits_once_in_several_steps() -> None:
    count = OperatorCount()
    network = Transformer(QUICK, VOCABULARY, PAD).eval()
    settings = replace(
        DecodeSettings(odd_input="as_is"),
        precision="float32",
        batch_tokens=10_000,
        max_extra_tokens=9,
    )
    with pretended(count) as device:
        moved(network)
        recipe = Recipe("", model=QUICK)
        model = TrainedModel.from_network(network, tokenizer(VOCABULARY), recipe)
        translator = Translator(model, settings, lambda _: None)
        sources = [source for source in newstest(9, VOCABULARY) if len(source) < 30]
        with count:
            translator.search(sources)
    assert device.type == "cuda"
    most_steps = max(map(len, sources)) + settings.max_extra_tokens
    blocks = -(-most_steps // STEPS)
    once = 20  # when the search starts and when it ends
    assert sum(count.waits.values()) <= 2 * blocks + once
