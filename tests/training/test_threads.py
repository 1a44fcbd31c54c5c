"""An update by several threads is the update by one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nmt.artifacts.model_file import read_model
from nmt.system.threads import Threads
from tests.conftest import Run


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def losses(run: str) -> list[float]:
    lines = map(json.loads, Path(run, "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "train"]


@pytest.mark.parametrize("settings", [[], ["--set", "train.micro_batch_tokens=30"]])
def test_two_threads_take_the_updates_of_one(nmt: Run, tiny: Path, settings: list[str]) -> None:
    """Warm-up is long, as rounding would grow with the tiny recipe's."""
    options = ["--set", "model.dropout=0.0", "--set", "train.warmup_updates=400", *settings]
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    torch.set_num_threads(2)
    try:
        assert nmt("train", tiny, "--run", "two", *options).code == 0
    finally:
        torch.set_num_threads(1)
    assert losses("two") == pytest.approx(losses("one"), rel=1e-5)
    one, two = (
        read_model(Path(run, "checkpoints/update-00000012.safetensors")).weights
        for run in ("one", "two")
    )
    for name, tensor in one.items():
        assert float((two[name] - tensor).norm() / tensor.norm()) < 1e-4, name


@pytest.mark.usefixtures("two_threads")
def test_dropout_of_two_threads_repeats_and_resumes(nmt: Run, tiny: Path) -> None:
    """A batch of one pair leaves a thread without work."""
    options = ["--set", "model.dropout=0.3", "--set", "train.batch_target_tokens=20"]
    assert nmt("train", tiny, "--run", "whole", *options).code == 0
    nmt("train", tiny, "--run", "parts", *options, "--max-updates", 5)
    assert nmt("train", tiny, "--run", "parts", *options).code == 0
    whole, parts = (read_model(Path(run, "model.safetensors")) for run in ("whole", "parts"))
    assert all(torch.equal(tensor, parts.weights[name]) for name, tensor in whole.weights.items())


@pytest.mark.usefixtures("two_threads")
def test_results_come_in_order_and_errors_come_through() -> None:
    threads = Threads()
    assert threads.count == 2
    assert list(threads.map(lambda each: each * each, range(20))) == [n * n for n in range(20)]
    assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        list(threads.map(lambda each: 1 / each, [1, 0]))
    assert Threads(1).count == 1
    assert list(Threads(1).map(str, [1, 2])) == ["1", "2"]


@pytest.mark.parametrize(
    ("cores", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (7, 3), (8, 4)]
)
def test_few_cores_stay_idle(cores: int, count: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        assert Threads().count == count
    finally:
        torch.set_num_threads(before)
