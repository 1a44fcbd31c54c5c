"""A GPU that is not there: the program takes the GPU's path and waits as seldom as promised."""

import subprocess
import sys
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
from nmt.decoding.device_beam import STEPS
from nmt.decoding.model_forms import Models
from nmt.decoding.translator import Translator
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD
from nmt.training.updates import Updater
from nmt.training.workers import Workers
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


def test_an_update_waits_once_for_its_result() -> None:
    """Nothing waits between the first kernel of an update and the read of its figures."""
    count = OperatorCount()
    network = Transformer(QUICK, VOCABULARY, PAD)
    batch = SyntheticPairs.of(20, VOCABULARY).batch(torch.arange(20).numpy(), 0)
    with pretended(count) as device:
        moved(network)
        updater = Updater(Recipe("gpu", model=QUICK), network, Workers(), device)
        updater.set_up()
        share = [batch.to(device)]
        updater.start(share, 1, counts=True, stop=None).result()
        count.clear()
        with count:
            started = updater.start(share, 2, counts=True, stop=None)
            assert not +count.waits
            started.result()
    assert +count.waits == {"tolist": 1}


def test_a_search_waits_once_in_several_steps() -> None:
    count = OperatorCount()
    network = Transformer(QUICK, VOCABULARY, PAD).eval()
    settings = replace(
        DecodeSettings(), precision="float32", batch_tokens=10_000, max_extra_tokens=9
    )
    with pretended(count) as device:
        moved(network)
        translator = Translator(
            Models.of_networks([network]), tokenizer(VOCABULARY), settings, lambda _: None
        )
        sources = [source for source in newstest(9, VOCABULARY) if len(source) < 30]
        with count:
            translator.search(sources)
    assert device.type == "cuda"
    most_steps = max(map(len, sources)) + settings.max_extra_tokens
    blocks = -(-most_steps // STEPS)
    once = 20  # when the search starts and when it ends
    assert sum(count.waits.values()) <= 2 * blocks + once


def test_operators_are_reported() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/operators.py"), "--shape", "quick"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "QUICK, update, path of a GPU: waits: 1 1 tolist" in ended.stdout
