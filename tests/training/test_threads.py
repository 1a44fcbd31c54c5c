"""An update by several threads equals the update by one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nmt.system.threads import torch_threads
from tests.conftest import Run
from tests.training.conftest import assert_same, losses, weights


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("settings", [[], ["--set", "train.micro_batch_tokens=30"]])
def test_two_threads_take_the_updates_of_one(nmt: Run, tiny: Path, settings: list[str]) -> None:
    """The warm-up is long: a short one raises the learning rate and with it rounding errors."""
    options = ["--set", "model.dropout=0.0", "--set", "train.warmup_updates=400", *settings]
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    torch.set_num_threads(2)
    try:
        assert nmt("train", tiny, "--run", "two", *options).code == 0
    finally:
        torch.set_num_threads(1)
    assert losses(Path("two")) == pytest.approx(losses(Path("one")), rel=1e-5)
    one, two = (
        weights(Path(run, "checkpoints/update-00000012.safetensors")) for run in ("one", "two")
    )
    for name, tensor in one.items():
        assert float((two[name] - tensor).norm() / tensor.norm()) < 1e-4, name


@pytest.mark.usefixtures("two_threads")
def test_dropout_of_two_threads_repeats_and_resumes(nmt: Run, tiny: Path) -> None:
    """Some batches have one pair, so that one thread has no work."""
    options = ["--set", "model.dropout=0.3", "--set", "train.batch_target_tokens=20"]
    assert nmt("train", tiny, "--run", "whole", *options).code == 0
    nmt("train", tiny, "--run", "parts", *options, "--max-updates", 5)
    assert nmt("train", tiny, "--run", "parts", *options).code == 0
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


@pytest.mark.usefixtures("two_threads")
def test_a_pool_keeps_the_order_and_passes_errors_on() -> None:
    threads = torch_threads()
    assert threads.count == 2
    assert list(threads.map(lambda each: each * each, range(20))) == [n * n for n in range(20)]
    assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        list(threads.map(lambda each: 1 / each, [1, 0]))
    assert torch_threads(1).count == 1
    assert list(torch_threads(1).map(str, [1, 2])) == ["1", "2"]


@pytest.mark.parametrize(
    ("cores", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (7, 3), (8, 4)]
)
def test_few_cores_stay_idle(cores: int, count: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        assert torch_threads().count == count
    finally:
        torch.set_num_threads(before)
