"""The moving average of the weights: by hand, and what a run keeps of it."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch

from nmt.runs.model_file import read_model
from nmt.training.updates import MovingAverage
from tests.conftest import Run
from tests.training.conftest import assert_same, read_metrics

MOVING = ("--set", "train.moving_average=0.9")


def stepped(decay: float, updates: int) -> tuple[torch.nn.Parameter, MovingAverage, list[float]]:
    """Return a weight after Adam's steps, its average, and the weight after each step."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    average = MovingAverage([weight], optimizer, decay)
    after = []
    for update in range(1, updates + 1):
        weight.grad = torch.ones(1)
        optimizer.step()
        average.add(update)
        after.append(weight.item())
    return weight, average, after


def test_by_hand() -> None:
    """The first average is the weight; then d is 3/12 after the second update and 4/13."""
    weight, average, (first, second, third) = stepped(0.999, 3)
    expected = 3 / 12 * first + 9 / 12 * second
    expected = 4 / 13 * expected + 9 / 13 * third
    with average.in_use():
        assert weight.item() == pytest.approx(expected, rel=1e-6)
    assert weight.item() == pytest.approx(third)


def test_the_decay_is_the_greatest_factor() -> None:
    weight, average, (first, second, third) = stepped(0.1, 3)
    expected = 0.1 * (0.1 * first + 0.9 * second) + 0.9 * third
    with average.in_use():
        assert weight.item() == pytest.approx(expected, rel=1e-6)


def test_without_it_weights_stay_and_an_error_restores_them() -> None:
    weight, average, after = stepped(0.0, 2)
    with average.in_use():
        assert weight.item() == pytest.approx(after[-1])
    weight, average, after = stepped(0.9, 2)
    with suppress(KeyError), average.in_use():
        assert weight.item() != pytest.approx(after[-1])
        raise KeyError
    assert weight.item() == pytest.approx(after[-1])


def test_a_run_resumes_bit_for_bit_and_its_models_are_averages(nmt: Run, tiny: Path) -> None:
    ended = nmt("train", tiny, "--run", "whole", *MOVING)
    assert ended.code == 0
    assert "\nmoving average: " in ended.err
    assert nmt("train", tiny, "--run", "parts", *MOVING, "--max-updates", 6).code == 0
    assert nmt("train", tiny, "--run", "parts", *MOVING, "--max-updates", 12).code == 0
    for name in ("model.safetensors", "best.safetensors"):
        assert_same(Path("whole", name), Path("parts", name))
    model = read_model(Path("whole/model.safetensors"))
    newest = read_model(Path("whole/checkpoints/update-00000012.safetensors"))
    assert [*model.updates] == [12]
    state = torch.load("whole/checkpoints/update-00000012.state.pt", weights_only=True)["state"]
    averages = [torch.from_numpy(each) for each in model.weights.values()]
    assert {tuple(each["average"].shape) for each in state.values()} == {
        tuple(each.shape) for each in averages
    }
    assert any((model.weights[name] != each).any() for name, each in newest.weights.items())


def test_validations_measure_the_average(nmt: Run, tiny: Path) -> None:
    """The last validation is that of the final model; a run without it validates other weights."""
    assert nmt("train", tiny, "--run", "moving", *MOVING).code == 0
    assert nmt("train", tiny, "--run", "plain").code == 0
    found = {}
    for run in ("moving", "plain"):
        lines = [line for line in read_metrics(Path(run)) if line["kind"] in ("dev", "average")]
        found[run] = {(line["kind"], line["update"]): line["loss"] for line in lines}
    assert found["moving"]["dev", 12] == found["moving"]["average", 12]
    assert found["plain"]["dev", 12] != found["plain"]["average", 12]
    assert found["moving"]["dev", 6] != found["plain"]["dev", 6]


def test_checkpoints_are_averaged_only_when_named(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--run", "run", *MOVING).code == 0
    ended = nmt("average", "run", "--output", "mean.safetensors")
    assert ended.code == 1
    assert "run keeps a moving average of its weights" in ended.err
    own = Path("run/model.safetensors").read_bytes()
    ended = nmt("average", "run", "--last", "2")
    assert ended.code == 2
    assert "is the run's moving average; name another file with --output" in ended.err
    assert nmt("average", "run", "--output", "mean.safetensors", "--last", "2").code == 0
    assert Path("run/model.safetensors").read_bytes() == own


def test_a_lost_best_model_is_not_replaced_by_other_weights(nmt: Run, tiny: Path) -> None:
    """The checkpoint of its update has the weights that are not averaged."""
    saved = ("--set", "train.checkpoint_updates=6", "--set", "train.average_checkpoints=12")
    assert nmt("train", tiny, "--run", "run", *MOVING, *saved).code == 0
    Path("run/best.safetensors").unlink()
    ended = nmt("train", tiny, "--run", "run", *MOVING, *saved)
    assert "best.safetensors is missing; it is written again when a validation is" in ended.err
    assert not Path("run/best.safetensors").exists()
