"""Results of an evaluation: what was scored, on which test sets, and with which scores."""

from dataclasses import dataclass
from statistics import fmean

from nmt.config import DecodeSettings


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a score, from resampled test sets."""

    mean: float  # of the resampled scores
    radius: float


@dataclass(frozen=True)
class Score:
    """A metric's value and the signature of how it was computed."""

    name: str
    value: float
    signature: str
    lower_is_better: bool = False
    interval: Interval | None = None
    difference: float | None = None  # from the evaluated system's score; None: is that score
    p_value: float | None = None  # of the difference
    test: str | None = None  # what computed the p-value


@dataclass(frozen=True)
class LabelCount:
    """Count of the segments of a label that are right."""

    label: str
    right: int
    segments: int

    @property
    def percent(self) -> float:
        """Return the share of right segments in percent."""
        return 100 * self.right / self.segments


@dataclass(frozen=True)
class EnsembleMember:
    """A further model of an ensemble."""

    path: str
    sha256: str  # of the file
    recipe: str  # name


@dataclass(frozen=True)
class SystemDescription:
    """Facts that identify a system: a model, an ensemble or a file of translations."""

    path: str  # of an ensemble: the first model
    sha256: str  # of the file
    decode: DecodeSettings | None = None  # None: a file of translations
    device: str | None = None
    ensemble: tuple[EnsembleMember, ...] = ()  # the models after the first
    engine: str = ""  # another program that searched

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the path of every file; an ensemble has several."""
        return (self.path, *(member.path for member in self.ensemble))

    @property
    def name(self) -> str:
        """Return the paths, joined by " + "."""
        return " + ".join(self.paths)


@dataclass(frozen=True)
class SystemResult:
    """Scores of a system on a test set."""

    system: SystemDescription
    scores: tuple[Score, ...]  # the task's main score is the first


@dataclass(frozen=True)
class LengthBucket:
    """Scores on the segments of similar length."""

    shortest: int
    longest: int | None  # None: no limit
    segments: int
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class LengthScores:
    """Scores by the length of the first reference."""

    unit: str  # of the lengths
    buckets: tuple[LengthBucket, ...]  # shortest first; at least one


@dataclass(frozen=True)
class Example:
    """A segment, its translation and the score of the translation."""

    line: int  # in the test set, counted from 1
    score: float
    source: str | None  # None: only references are known
    hypothesis: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Examples:
    """Segments with the worst and with the best translations."""

    measure: str  # name of the score that ranks them
    worst: tuple[Example, ...]
    best: tuple[Example, ...]


@dataclass(frozen=True)
class Direction:
    """The languages of a test set, where a system has several directions."""

    source: str
    target: str
    is_zero_shot: bool = False  # not among the directions that the model was trained in

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def title(self) -> str:
        """Return the languages, and "zero-shot" if the model was not trained in the direction."""
        return f"{self}, zero-shot" if self.is_zero_shot else str(self)


@dataclass(frozen=True)
class TestSetResult:
    """Scores of one or more systems on a test set."""

    name: str
    segments: int  # scored
    lines: int  # of the files; more than segments if lines with one source were merged
    references: int  # of the segment that has most
    source_sha256: str  # of the lines; "" if only references are known
    reference_sha256s: tuple[str, ...]
    systems: tuple[SystemResult, ...]  # the evaluated system, then those it is compared with
    exact_matches: tuple[LabelCount, ...] = ()  # of the evaluated system, by label
    contrasts: tuple[LabelCount, ...] = ()  # references it prefers to wrong targets, by label
    by_length: LengthScores | None = None  # of the evaluated system
    examples: Examples | None = None  # of the evaluated system
    warnings: tuple[str, ...] = ()  # what is odd about the texts, or says too little
    direction: Direction | None = None  # None: the system has one


@dataclass(frozen=True)
class Average:
    """The mean scores of several test sets, each of which counts once."""

    is_zero_shot: bool  # of directions that the model was not trained in
    test_sets: int
    scores: dict[str, float]  # those that all test sets have


@dataclass(frozen=True)
class Evaluation:
    """Scores of a system on one or more test sets."""

    system: SystemDescription
    test_sets: tuple[TestSetResult, ...]
    left_out: tuple[str, ...] = ()  # scores that could not be computed, each with the reason

    def averages(self) -> list[Average]:
        """Return the mean scores of trained directions, and of others; none of one direction."""
        found = []
        for is_zero_shot in (False, True):
            rows = [
                {score.name: score.value for score in result.systems[0].scores}
                for result in self.test_sets
                if result.direction and result.direction.is_zero_shot == is_zero_shot
            ]
            names = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
            means = {name: fmean(row[name] for row in rows) for name in names}
            found += [Average(is_zero_shot, len(rows), means)] if rows else []
        return found if len(self.test_sets) > 1 else []
