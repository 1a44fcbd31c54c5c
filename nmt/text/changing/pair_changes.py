"""Change the text of a pair in the ways that were drawn for it."""

from dataclasses import dataclass
from random import Random

from nmt.config import TrainSettings
from nmt.text.changing.letters import title_case, upper_case, with_typos
from nmt.text.changing.mark_places import Links, put_marks
from nmt.text.changing.units import Units

# The ways to change a pair, each with a setting `train.augment_WAY`, in the order of their draws.
WAYS = ("upper_case", "title_case", "typos", "placeholders", "tags")
NO_LINKS: Links = frozenset()


@dataclass(frozen=True)
class Ways:
    """The ways in which a pair is to be changed."""

    upper_case: bool
    title_case: bool
    typos: bool
    placeholders: bool
    tags: bool

    @property
    def need_links(self) -> bool:
        """Return whether it must be known which words of the pair belong together."""
        return self.placeholders or self.tags


NO_WAYS = Ways(*[False] * len(WAYS))


def probabilities(settings: TrainSettings) -> tuple[float, ...]:
    """Return the probability of each of `WAYS`."""
    return tuple(getattr(settings, f"augment_{way}") for way in WAYS)


def change_pair(
    source: Units,
    target: Units,
    ways: Ways,
    languages: tuple[str, str],
    random: Random,
    links: Links = NO_LINKS,
) -> tuple[str, str]:
    """Return the changed texts of a pair.

    links: the units of both sides that belong together. languages: of source and target. Typos are
    in the source alone: a model shall understand them, not write them. Marks keep their letters.
    """
    if ways.upper_case:
        source, target = upper_case(source, languages[0]), upper_case(target, languages[1])
    elif ways.title_case:
        source, target = title_case(source, languages[0]), title_case(target, languages[1])
    if ways.typos:
        source = with_typos(source, random)
    if not ways.need_links:
        return source.text, target.text
    return put_marks(source, target, links, random, placeholders=ways.placeholders, tags=ways.tags)
