"""Trainings that are made to have a fault: `nmt train` names it, and says what to change."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nmt.runs.run_folder import RunFolder
from nmt.studio.report.findings import find_faults
from nmt.studio.report.reported_run import read_run
from tests.conftest import CommandResult, Run
from tests.diagnosis.trainings import FOREIGN, Pair, arguments, drawn, translated, write_text

GOOD, DEV = drawn(900, seed=1), drawn(12, seed=2)


def at_random(seed: int) -> Callable[[str], str]:
    """Return a translation that has nothing to do with the source."""
    draw = random.Random(seed)
    return lambda source: " ".join(draw.choices([*FOREIGN.values()], k=len(source.split())))


def sometimes(seed: int, share: float, change: Callable[[str], str]) -> Callable[[str], str]:
    """Return a translation that is another one for a share of the sources."""
    draw = random.Random(seed)
    return lambda source: change(source) if draw.random() < share else translated(source)


def made_of_rare_words(count: int) -> list[Pair]:
    """Draw pairs of words that hardly occur again."""
    draw = random.Random(1)
    side = [
        " ".join("".join(draw.choices("abcdefghij", k=6)) for _ in range(4))
        for _ in range(2 * count)
    ]
    return [*zip(side[:count], side[count:], strict=True)]


@dataclass(frozen=True)
class Fault:
    """A training that is made to have a fault."""

    heading: str  # of the finding
    seen: str  # a part of it
    change: str  # a part of it
    train: Sequence[Pair] = field(default_factory=lambda: GOOD)
    dev: Sequence[Pair] = field(default_factory=lambda: DEV)
    settings: dict[str, object] = field(default_factory=dict)


SHORT: dict[str, object] = {"train.max_updates": 2, "train.warmup_updates": 1}
FAULTS = {
    "high": Fault(
        "warning: the learning rate is too high, since update 15\n",
        "the training loss rose from",
        "to do: train.learning_rate_scale=0.48, for a peak of 0.016 instead of 6.5",
        settings={"train.learning_rate_scale": 200, "train.max_updates": 60},
    ),
    "high from the start": Fault(
        "warning: the learning rate is too high, since update 30\n",
        "a model that only knows how frequent each token is has 2.06",
        "to do: train.learning_rate_scale=0.48, for a peak of 0.016 instead of 0.65",
        settings={"train.learning_rate_scale": 20, "train.max_updates": 60},
    ),
    "low": Fault(
        "warning: the learning rate is too low, since update 30\n",
        "the highest learning rate is 9.7e-05",
        "to do: train.learning_rate_scale=0.48; its peak, 0.016, is usual for d_model 32",
        settings={"train.learning_rate_scale": 0.003, "train.max_updates": 60},
    ),
    "overfitting": Fault(
        "warning: overfitting, since update 20\n",
        "the dev loss rose from",
        "/best.safetensors, the best on the dev set; train.patience=4 ends such a training; next"
        " time, train with model.dropout=0.1",
        train=drawn(40, seed=1, translate=at_random(5)),
        dev=drawn(12, seed=2, translate=at_random(6)),
        settings={"train.label_smoothing": 0, "train.max_updates": 80},
    ),
    "alike": Fault(
        "warning: translations are all alike, since update",
        "for 6 different sources, such as 'sole sole'",
        "to do: check that each target line translates its source line (`nmt check`",
        train=[
            (source, random.Random(place).choice(["sole sole", "sole sole", target]))
            for place, (source, target) in enumerate(drawn(900, 1, at_random(5)))
        ],
    ),
    "copied": Fault(
        "warning: translations copy their sources, since update",
        "of 6, such as",
        "remove them with `nmt clean`",
        train=drawn(900, seed=1, translate=sometimes(3, 0.85, lambda source: source)),
        dev=[*FOREIGN.items()],  # the model copies single words long before it copies two
    ),
    "dev pairs of others": Fault(
        "warning: the dev set is unlike the training text, since update 40\n",
        "in epoch 3, the dev loss is",
        "hold out the dev set from the training text (`nmt split`)",
        train=drawn(2000, seed=1),
        dev=[(source, DEV[place - 3][1]) for place, (source, _) in enumerate(DEV)],
        settings={"train.max_updates": 60},
    ),
    "dev words unknown": Fault(
        "warning: the dev set is unlike the training text\n",
        "5.3 % of the tokens in dev sources are unknown",
        "`nmt check` with the recipe looks closer",
        dev=[(source.replace("sun", "son"), target) for source, target in DEV],
        settings=SHORT,
    ),
    "dev set longer": Fault(
        "warning: the dev set is unlike the training text\n",
        "dev sources have 6.3 tokens on average, training sources 1.5; dev targets have 6.3",
        "hold out the dev set",
        dev=[(" ".join([source] * 4), " ".join([target] * 4)) for source, target in DEV],
        settings=SHORT,
    ),
    "vocabulary": Fault(
        "warning: the vocabulary is too large for the text\n",
        "832 of its 900 tokens (92 %) have several characters and occur less than 10 times",
        "to do: tokenizer.vocab_size=100",
        train=made_of_rare_words(150),
        dev=made_of_rare_words(5),
        settings={**SHORT, "tokenizer.kind": "bpe", "tokenizer.vocab_size": 900},
    ),
}
KNOWN_BEFORE = {"dev words unknown", "dev set longer", "vocabulary"}


def trained(nmt: Run, folder: Path, fault: Fault) -> CommandResult:
    """Train a model with a fault, in the folder `run`."""
    recipe = write_text(folder, fault.train, fault.dev)
    result = nmt(*arguments(recipe, folder / "run", fault.settings))
    assert result.code == 0, result.err
    return result


@pytest.mark.parametrize("name", FAULTS)
def test_a_training_with_a_fault_says_so(nmt: Run, tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    err = trained(nmt, tmp_path, fault).err
    assert err.count(fault.heading) == 1, err
    before = err.partition(fault.heading)[0]
    seen, meaning, change = next(
        block for block in blocks(err) if block[0].startswith(fault.heading.strip())
    )[1:]
    assert seen.startswith("  seen: ")
    assert fault.seen in seen
    assert meaning.startswith("  meaning: ")
    assert change.startswith("  to do: ")
    assert fault.change in change
    assert ("update 1 of" not in before) == (name in KNOWN_BEFORE)
    run = RunFolder(tmp_path / "run")
    titles = [each.title for each in find_faults(run, read_run(run))]
    assert any(title in fault.heading for title in titles), titles


def blocks(err: str) -> list[list[str]]:
    """Return the warnings in a text, each as its four lines."""
    lines = err.splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith("warning: ")]
    return [lines[start : start + 4] for start in starts]
