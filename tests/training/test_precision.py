"""The measured choice of a precision: what is timed, what is chosen, and that nothing else changes.

The times are given, and the passes real, so that the choice does not depend on the machine.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import float32

from nmt.runs.run_folder import RunFolder
from nmt.text.batches import Batch, make_batch
from nmt.training import precision
from nmt.training.memory_probe import TooLittleMemoryError
from nmt.training.precision import FIRST_TOKENS, ROUNDS, SECONDS, Round, measure
from tests.training.conftest import TINY, Train, options, run_group, weights
from tests.training.test_checkpoints import assert_same_run

AUTO = "train.precision=auto"
WHOLE = 8 * FIRST_TOKENS

Give = Callable[[float, float], list[str]]


def batches(tokens: int = WHOLE) -> list[Batch]:
    """Return batches of equal size with pairs of 8 tokens a side."""
    pair = ([9] * 7, [9] * 7)
    return [make_batch([pair] * (tokens // 8)) for _ in range(1 + ROUNDS)]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Return a function that sets the seconds of passes; it returns the precisions as timed."""
    monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device: True)
    real = precision.pass_seconds

    def give(bf16: float, float32: float) -> list[str]:
        timed: list[str] = []

        def given(updater: object, batch: Batch, name: str) -> float:
            assert real(updater, batch, name) > 0  # type: ignore[arg-type] # an Updater
            timed.append(name)
            return bf16 if name == "bf16" else float32

        monkeypatch.setattr(precision, "pass_seconds", given)
        return timed

    return give


def test_parts_grow_to_the_whole_batch_and_rounds_alternate() -> None:
    timed: list[tuple[str, int]] = []

    def time_pass(batch: Batch, name: str) -> float:
        timed.append((name, batch.source_tokens))
        return batch.source_tokens / 1e5

    found = measure(time_pass, batches())
    assert (found.ratio, found.tokens) == (1, 2 * WHOLE)
    warm = [FIRST_TOKENS, 2 * FIRST_TOKENS, 4 * FIRST_TOKENS, WHOLE]
    assert [tokens for _, tokens in timed] == [size for size in warm for _ in "ab"] + [WHOLE] * 10
    first = [name for name, _ in timed[8::2]]
    assert first == ["float32", "bf16", "float32", "bf16", "float32"]


def test_the_round_of_the_median_ratio_counts() -> None:
    """Another program slows down two of five rounds, in one precision or the other."""
    times = iter([1, 2, *(1, 2), *(3, 1), *(1, 9), *(6, 4), *(9, 2)])  # float32, bf16; then in turn
    found = measure(lambda batch, name: next(times) / 100, batches(FIRST_TOKENS))
    # The ratios are 2, 3, 9, 4/6 and 2/9: bf16 comes second in the first, third and fifth round.
    assert found == Round(0.02, 0.01, 2 * FIRST_TOKENS)


def test_a_large_model_is_measured_on_parts_and_within_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit is one of time, also if passes are measured in processor time, here a half."""
    spent: list[float] = []
    monkeypatch.setattr(precision, "perf_counter", lambda: sum(spent))

    def time_pass(batch: Batch, name: str) -> float:
        spent.append(batch.source_tokens / FIRST_TOKENS * (0.2 if name == "bf16" else 0.4))
        return spent[-1] / 2

    found = measure(time_pass, batches())
    assert found.tokens == 4 * FIRST_TOKENS  # 0.6 + 1.2 s so far; growing again takes 3 * 2.4 more
    assert found.ratio == pytest.approx(0.5)
    assert sum(spent) <= SECONDS + 2.4


@pytest.mark.parametrize("fitting", [2, 1])
def test_parts_stop_growing_where_memory_ends(fitting: int) -> None:
    def time_pass(batch: Batch, name: str) -> float:
        if batch.source_tokens > fitting * FIRST_TOKENS:
            raise TooLittleMemoryError
        return 0.01

    assert measure(time_pass, batches()).tokens == 2 * fitting * FIRST_TOKENS


@pytest.mark.parametrize(
    ("forks", "threads", "seconds"), [(True, 1, 3.0), (False, 1, 6.0), (False, 2, 50.0)]
)
def test_on_a_cpu_the_time_of_other_programs_does_not_count(
    forks: bool, threads: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass takes 50 seconds, in which its processes have the cores for 6 seconds in all."""
    used, passed = iter([10.0, 16.0]), iter([100.0, 150.0])
    monkeypatch.setattr(precision, "perf_counter", lambda: next(passed))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    updater: Any = SimpleNamespace(
        device=torch.device("cpu"),
        threads=SimpleNamespace(count=2),
        forks=forks,
        rehearse=lambda batch: None,
        processor_seconds=lambda: next(used),
    )
    assert precision.pass_seconds(updater, batches()[0], "bf16") == seconds


@pytest.mark.parametrize(("ratio", "choice"), [(0.5, "bf16"), (0.95, "bf16"), (0.96, "float32")])
def test_bf16_must_be_clearly_faster(ratio: float, choice: str) -> None:
    assert Round(ratio, 1.0, 100).choice == choice


def test_the_run_is_that_of_the_named_precision(train: Train, give: Give) -> None:
    """Bit for bit: models, training states, losses and the recipe, with BPE-dropout and R-Drop."""
    more = ["train.bpe_dropout=0.1", "train.r_drop=1.0", "train.micro_batch_tokens=90"]
    timed = give(0.7, 1.0)
    errors = train(AUTO, *more, run="auto")
    assert set(timed) == {"bf16", "float32"}
    seconds = "0.70 of float32's time (0.7 and 1 s for "
    assert f"train.precision=auto: bf16 takes {seconds}" in errors
    assert " tokens); trains in bf16\n" in errors
    assert "float32 or bf16 on cpu" in errors
    train("train.precision=bf16", *more, run="named")
    assert_same_run(Path("auto"), Path("named"))
    assert {own.dtype for own in weights(Path("named/model.safetensors")).values()} == {float32}
    assert RunFolder(Path("auto")).load_recipe() == RunFolder(Path("named")).load_recipe()


def test_nothing_is_measured_where_nothing_may_vary(
    train: Train, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deterministic training has bf16 at once, a device without bf16 float32.

    A resumed run keeps its precision, also on a machine without bf16.
    """
    timed = give(1.0, 0.5)
    exact = (AUTO, "train.deterministic=true")
    train(*exact, run="same", updates=1)
    monkeypatch.setattr("nmt.training.setup.has_bf16", lambda device: False)
    train(AUTO, run="other", updates=1)
    train(*exact, run="same", updates=2)
    found = [RunFolder(Path(run)).load_recipe().train.precision for run in ("same", "other")]
    assert (found, timed) == (["bf16", "float32"], [])


@pytest.mark.usefixtures("give")
def test_no_memory_to_measure_means_bf16(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> float:
        raise TooLittleMemoryError

    monkeypatch.setattr(precision, "pass_seconds", refused)
    message = "train.precision=auto: too little memory to measure; trains in bf16"
    assert message in train(AUTO, updates=1)


# `nmt` on a worker that finds bf16 faster if it is the first, and slower if it is another. It
# writes in which precision it trains.
WORKER = """
import os, sys
from pathlib import Path
from nmt.commands import main
from nmt.training import precision, setup
from nmt.training.updates import Updater

rank = os.environ["RANK"]
setup.has_bf16 = lambda device: True
seconds = {"bf16": 1.0 + int(rank), "float32": 1.5}
measured, start = precision.pass_seconds, Updater.start

def noted(self, *given):
    Path(f"precision-{rank}").write_text(self.precision)
    return start(self, *given)

precision.pass_seconds = lambda *given: seconds[given[-1]] if measured(*given) else 0.0
Updater.start = noted
main(sys.argv[1:])
"""


def test_workers_train_in_the_choice_of_the_first(tiny: Path) -> None:
    run_group(2, "train", tiny, *options(AUTO, "train.max_updates=1"), script=WORKER)
    assert [Path(f"precision-{rank}").read_text() for rank in (0, 1)] == ["bf16", "bf16"]
    assert TINY.load_recipe().train.precision == "bf16"
