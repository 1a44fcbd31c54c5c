"""Find the scores of a model file in its run folder: evaluation cards, and its validation."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any

from nmt.config import DecodeSettings
from nmt.errors import DamagedError
from nmt.evaluation.card import read_cards
from nmt.evaluation.metrics import score_measure
from nmt.runs.history import read_history
from nmt.runs.model_file import open_model
from nmt.runs.run_folder import RunFolder, run_of
from nmt.system.files import sha256_of
from nmt.system.json_data import convert, json_text
from nmt.system.log import note


@dataclass(frozen=True)
class CardScore:
    """A score in an evaluation card."""

    signature: str
    value: float | None = None  # None: not a finite number


@dataclass(frozen=True)
class CardResult:
    """A test set in an evaluation card."""

    test_set: str
    segments: int
    scores: dict[str, CardScore]
    sha256: dict[str, Any] = field(default_factory=dict)  # of its texts


OF_SACREBLEU = re.compile(r"\w+(?:/[\w.]+)* \w{2,3}-\w{2,3}")  # such as wmt14/full en-de


@dataclass(frozen=True)
class CardModel:
    """Hold what an evaluation card says about a model and its search."""

    sha256: str
    results: tuple[CardResult, ...]
    model: str = ""  # path; "": a file of translations was scored
    decode: dict[str, Any] = field(default_factory=dict)
    ensemble_with: tuple[Any, ...] = ()
    engine: str = ""  # "": this program searched


@dataclass(frozen=True)
class KnownScore:
    """A score of a model on a test set, and how it was found."""

    test_set: str
    segments: int
    metric: str
    value: float
    signature: str
    beam_size: int | None  # None: the card does not say
    length_penalty: float | None


@dataclass(frozen=True)
class KnownScores:
    """Everything that a run folder says about the quality of one model file."""

    tests: tuple[KnownScore, ...] = ()  # of evaluation cards, in the order of their dates
    dev_metric: str = ""
    dev_score: float | None = None  # on the dev set; None: not recorded


def known_scores(file: Path, notify: Callable[[str], None] = note) -> KnownScores:
    """Return the scores of a model file.

    An evaluation card counts if it has the SHA-256 of this file; the newest card of a test set
    counts. A validation counts if the file holds the weights of just these updates.

    notify: receives a note on each damaged file, which is left out.
    """
    run = run_of(file)
    if not run.recipe.is_file():
        return KnownScores()
    metric, dev_score = validation_score(run, file)
    return KnownScores(card_scores(run.path, sha256_of(file), notify), metric, dev_score)


def card_scores(folder: Path, sha256: str, notify: Callable[[str], None]) -> tuple[KnownScore, ...]:
    """Return the scores of a model in the evaluation cards of a folder."""
    found: dict[tuple[str, str], KnownScore] = {}
    names: dict[str, str] = {}  # of test sets, as shown, by their texts
    for card in read_cards(folder, notify):
        try:
            content = convert(card, CardModel, card["file"])
        except DamagedError as error:
            notify(f"left out: {error}")
            continue
        usual = {"method": DecodeSettings.method, "mbr": DecodeSettings.mbr}  # those of beam search
        is_usual = all(content.decode.get(key, value) == value for key, value in usual.items())
        is_other = content.ensemble_with or content.engine or not content.model or not is_usual
        if content.sha256 != sha256 or is_other:
            continue
        for result in content.results:
            texts = json_text(result.sha256) if result.sha256 else result.test_set
            name = names.setdefault(texts, new_name(result.test_set, names.values()))
            for metric, score in result.scores.items():
                if score.value is not None:
                    found[name, metric] = KnownScore(
                        test_set=name,
                        segments=result.segments,
                        metric=metric,
                        value=score.value,
                        signature=score.signature,
                        beam_size=content.decode.get("beam_size"),
                        length_penalty=content.decode.get("length_penalty"),
                    )
    return tuple(found.values())


def new_name(name: str, taken: Iterable[str]) -> str:
    """Return the name of a test set; of a file, without folders. A second of a name gets "(2)".

    Cards are published, so they must not name folders of their author's machine.
    """
    first = name if OF_SACREBLEU.fullmatch(name) else PurePath(name).name
    names = chain([first], (f"{first} ({number})" for number in count(2)))
    return next(each for each in names if each not in {*taken})


def validation_score(run: RunFolder, file: Path) -> tuple[str, float | None]:
    """Return the metric of a run, and the score of a model file on the dev set, if recorded."""
    with open_model(file) as model:
        updates = model.updates
    recipe = run.load_recipe()
    measure = score_measure(recipe)
    if recipe.train.moving_average and not any(
        each.exists() and each.samefile(file) for each in (run.model, run.best)
    ):
        return measure.name, None  # validated were moving averages, no checkpoints or their means
    found = read_history(run.metrics, recipe).validation(updates)
    return measure.name, found.score if found else None
