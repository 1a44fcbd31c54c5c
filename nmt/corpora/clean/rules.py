"""Choose what `nmt clean` removes and repairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.corpora.check.detectors import Detector
from nmt.corpora.check.kinds import KINDS
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.norms import Norms
from nmt.corpora.clean.optional import OPTIONAL
from nmt.errors import UsageError, suggestion

UNREADABLE = "unreadable"
ALWAYS = {
    UNREADABLE: "pairs with a line that is not UTF-8, is longer than 10 MB or has no tab",
    "empty": KINDS["empty"].title,
}
CROSS_ENTROPY = "cross_entropy"  # not among FILTERS, because it needs models
# In the order in which they are applied; a pair counts for the first one that removes it.
DEFAULT_FILTERS = (
    "replacement",
    "mojibake",
    "control",
    "invisible",
    "markup",
    "too_long",
    "copied",
    "script",
    "language",
    "length_ratio",
    "duplicates",
    "near_duplicates",
)
FILTERS = (*DEFAULT_FILTERS[:-2], *OPTIONAL, *DEFAULT_FILTERS[-2:])


@dataclass(frozen=True)
class Rules:
    """Hold the repairs and filters for each pair."""

    norms: Norms
    limits: CheckLimits
    filters: tuple[str, ...]  # from FILTERS, in order
    repair: bool
    with_ftfy: bool
    more: tuple[Detector, ...] = ()  # those of OPTIONAL that are asked for


@dataclass(frozen=True)
class Models:
    """Name two models that score pairs, and say which pairs to keep."""

    model: Path  # from source to target: a run folder or a .safetensors file
    reverse_model: Path
    device: str = "auto"
    keep_share: float | None = None  # of the pairs that other filters leave: the best ones
    least_score: float | None = None  # of a pair to keep
    writes_scores: bool = False


def chosen_filters(
    only: str | None, without: str | None = None, also: str | None = None
) -> tuple[str, ...]:
    """Return the filters to apply, in their order.

    only, without, also: names with commas between them; None: the default ones, and none. Raises
    UsageError for a name that is no filter, and for one to leave out that is not on.
    """
    wanted = DEFAULT_FILTERS if only is None else names_of(only, "--only")
    unwanted = () if without is None else names_of(without, "--without")
    more = () if also is None else names_of(also, "--also")
    for name in more:
        if name in wanted:
            raise UsageError(f"--also {name}: this filter is on already; leave it out")
    for name in unwanted:
        for given, option in ((more, "--also"), (() if only is None else wanted, "--only")):
            if name in given:
                raise UsageError(f"--without {name}, but {option} names it; leave out one of them")
        if name not in wanted:
            why = "this filter is off unless --also adds it"
            why = why if only is None else "--only leaves it out already"
            raise UsageError(f"--without {name}: {why}; leave the option out")
    return tuple(name for name in FILTERS if name in (*wanted, *more) and name not in unwanted)


def names_of(text: str, option: str) -> Sequence[str]:
    """Return the names of filters in an option's text; an empty text has none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name in ALWAYS:
            raise UsageError(f"{option} {name}: pairs like this are always removed; leave it out")
        if name not in FILTERS:
            raise UsageError(f"{option}: no filter {name!r}{suggestion(name, FILTERS)}")
    return names
