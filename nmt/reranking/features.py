"""The features of candidates, scores of models and their length, and the weights of features.

Dimensions: K candidates of a list, F features.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.config import DecodeSettings
from nmt.config.decode import RERANK_SETTINGS
from nmt.decoding.files.score import BLANK_PAIR, Scorer, TextPair
from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.odd_input import CLOSERS, OddSegment, Symbol, odd_segment
from nmt.errors import NmtError
from nmt.reranking.nbest import Candidate
from nmt.runs.model_file import languages
from nmt.runs.trained_model import TrainedModel
from nmt.system.atomic import write_text
from nmt.system.files import read_bytes
from nmt.system.json_data import json_text, parse_json
from nmt.system.log import Notify
from nmt.text.languages import primary
from nmt.text.tokenizer import SubwordModel

SCORE = "score"  # that of the n-best list
LENGTH = "length"  # characters of the text
TARGET_TO_SOURCE = "target_to_source"
WEIGHTS_VERSION = 1
MOST_WEIGHTS_BYTES = 1_000_000  # of a file

Numbers = NDArray[numpy.float64]


@dataclass(frozen=True)
class Judge:
    """A model that scores candidates, or sources given candidates if it is reverse."""

    path: str
    kind: str  # "left_to_right", "right_to_left" or "target_to_source"
    languages: tuple[str, str]  # of the text that was translated, and of the candidates
    scorer: Scorer
    subwords: SubwordModel  # of the language of the text that was translated

    @classmethod
    def of(cls, model: TrainedModel, settings: DecodeSettings, *, reverse: bool) -> "Judge":
        """Return the judge with a loaded model; reverse: it translates target to source."""
        kind = TARGET_TO_SOURCE if reverse else model.recipe.model.target_order
        source, target = languages(model.recipe)
        pair = (target, source) if reverse else (source, target)
        subwords = model.tokenizer.target if reverse else model.tokenizer.source
        return cls(str(model.path), kind, pair, Scorer(model, settings, ignore), subwords)

    def scores(
        self, sources: Sequence[str], lists: Sequence[Sequence[Candidate]], first: int
    ) -> list[float]:
        """Return the scores of all candidates, end to end: log-probability over length penalty.

        first: the number of the first list. Raises NmtError for a text that is longer than the
        model can read.
        """
        pairs = [
            pair
            for source, candidates in zip(sources, lists, strict=True)
            for pair in pairs_to_score(source, self.reading(source), candidates)
        ]
        if self.kind == TARGET_TO_SOURCE:
            pairs = [TextPair(pair.target, pair.source) for pair in pairs]

        def on_bad(number: int, _: NmtError) -> None:
            owners = [index for index, candidates in enumerate(lists, first) for _ in candidates]
            raise NmtError(
                f"list {owners[number - 1]}: a text has more tokens than the positions that"
                f" {self.path} learned; leave this model out"
            )

        return [found.score for chunk in self.scorer.chunks([pairs], on_bad) for found in chunk]

    def reading(self, source: str) -> OddSegment | None:
        """Return how `nmt translate` reads a source that is odd; None: as it is."""
        if self.scorer.settings.odd_input != "repair" or not source.strip():
            return None
        return odd_segment(source, self.subwords.encode([source])[0], self.subwords)


def pairs_to_score(
    source: str, reading: OddSegment | None, candidates: Sequence[Candidate]
) -> list[TextPair]:
    """Return what a model read and wrote for each candidate: what a judge can score.

    If the source was copied whole, or it is not known what the model wrote, the pairs are blank:
    all candidates of the list have the same score.
    """
    if reading is None:
        return [TextPair(source, candidate.text) for candidate in candidates]
    written = [as_written(reading, candidate) for candidate in candidates]
    if not reading.text or None in written:
        return [BLANK_PAIR] * len(written)
    return [TextPair(reading.text, text) for text in written if text is not None]


def as_written(reading: OddSegment, candidate: Candidate) -> str | None:
    """Return the candidate of an odd source as a model wrote it, or None if that is not known.

    A list in Moses's format does not have it: the copied symbols are left out. A model may write
    any word with a capital letter, as German nouns, so a text in capitals does not tell.
    """
    if candidate.written is not None or reading.is_capitals:
        return candidate.written
    text = candidate.text
    for symbol in reading.symbols:
        text = without(text, symbol)
    return " ".join(text.split())


def without(text: str, symbol: Symbol) -> str:
    """Return a text without a symbol that `symbols.insert` put there, and the space before it."""
    before, _, after = text.partition(symbol.text)
    is_apart = after[:1].isspace() or (not symbol.side and after[:1] in CLOSERS)
    return (before.rstrip() if is_apart else before) + after


def ignore(note: str) -> None:
    """Leave out a note about pairs: their numbers are not those of a user's lines."""


def load_judges(
    models: Sequence[Path],
    reverse_models: Sequence[Path],
    device: str,
    notify: Notify,
    overrides: Iterable[str] = (),
    text: tuple[str, str] = ("", ""),
) -> list[Judge]:
    """Load the models that score candidates.

    models, reverse_models: run folders or .safetensors files. device, notify, overrides: as in
    `load_models`. text: the languages of the text that was translated and of its references; "" if
    unknown. Raises NmtError if a model cannot be loaded, is for other languages than the first one,
    or translates in the wrong direction.
    """
    judges: list[Judge] = []
    overrides = [*overrides]
    for reverse, paths in ((False, models), (True, reverse_models)):
        for path in paths:
            loaded = load_models([path], device, notify, overrides, used=RERANK_SETTINGS)
            judge = Judge.of(*loaded, reverse=reverse)
            wanted = (judges or [judge])[0].languages
            if judge.languages != wanted:
                found, must = (
                    "-".join(pair[:: -1 if reverse else 1]) for pair in (judge.languages, wanted)
                )
                raise NmtError(
                    f"{judge.path} translates {found} but must translate {must} to rerank together"
                    f" with {judges[0].path}; name another model"
                )
            check_direction(judge, text)
            judges.append(judge)
    return judges


def check_direction(judge: Judge, text: tuple[str, str]) -> None:
    """Raise NmtError if a text is in the language of a model's other side."""
    own = [primary(language) for language in judge.languages]
    for side, language, other, found in zip(
        ("source", "target"), own, own[::-1], text, strict=True
    ):
        if found == other != language:
            direction = "-".join(judge.languages[:: -1 if judge.kind == TARGET_TO_SOURCE else 1])
            option = "--reverse-model" if judge.kind == TARGET_TO_SOURCE else "--model"
            raise NmtError(
                f"{judge.path} translates {direction}, but the {side} text is named as {found};"
                f" give another {option}"
            )


def feature_names(judges: Sequence[Judge]) -> list[str]:
    """Return the names of all features; the second model of a kind is KIND_2."""
    counts: Counter[str] = Counter()
    names = []
    for judge in judges:
        counts[judge.kind] += 1
        count = counts[judge.kind]
        names.append(judge.kind if count == 1 else f"{judge.kind}_{count}")
    return [SCORE, *names, LENGTH]


def default_weights(names: Sequence[str]) -> list[float]:
    """Return equal weights for all scores, and none for the length."""
    return [float(name != LENGTH) for name in names]


def measure_features(
    judges: Sequence[Judge],
    sources: Sequence[str],
    lists: Sequence[Sequence[Candidate]],
    first: int,
) -> Numbers:
    """Return the features (K, F) of all candidates, end to end; arguments are those of `scores`."""
    every = [candidate for candidates in lists for candidate in candidates]
    columns = [
        [candidate.score for candidate in every],
        *(judge.scores(sources, lists, first) for judge in judges),
        [float(len(candidate.text)) for candidate in every],
    ]
    return numpy.array(columns, numpy.float64).T


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file; a file that was written by hand needs the first two only."""

    rerank_weights: int  # version of the format
    weights: dict[str, float]  # by the names of features
    models: dict[str, str] = field(default_factory=dict)  # by the names of their features
    metric: str = ""
    signature: str = ""  # sacreBLEU's
    segments: int = 0  # of the dev set
    seed: int = 0
    # Scores of the dev set: first candidates, choice by equal and by tuned weights, best choice.
    first: float = 0.0
    equal: float = 0.0
    tuned: float = 0.0
    oracle: float = 0.0


def read_weights(path: Path, features: Sequence[str]) -> list[float]:
    """Return the weight of each feature; raises NmtError if a file has other names."""
    content = read_bytes(
        path, "the weights file", "`nmt rerank --tune` makes it", MOST_WEIGHTS_BYTES
    )
    found = parse_json(content, WeightsFile, str(path))
    if found.rerank_weights != WEIGHTS_VERSION:
        raise NmtError(
            f"{path} has version {found.rerank_weights} of the weights' format, this program reads"
            f" {WEIGHTS_VERSION}; tune again"
        )
    if {*found.weights} != {*features}:
        raise NmtError(
            f"{path} has weights for {', '.join(found.weights) or 'nothing'}, but the features are"
            f" {', '.join(features)}; name the same kinds of models as for tuning"
        )
    return [found.weights[name] for name in features]


def write_weights(path: Path, content: WeightsFile) -> None:
    """Write a weights file."""
    write_text(path, json_text(content, indent=2) + "\n")
