"""List the ways to make training pairs with models."""

from dataclasses import dataclass

SOURCE, TARGET = 0, 1  # sides of a pair


@dataclass(frozen=True)
class Method:
    """Describe a way to make training pairs with models."""

    name: str
    side: int | None  # of a pair, that the text is; None: it is parallel
    tag: str  # of the new pairs in a recipe, unless the user names another; "": none
    made: str  # what the models write


# Sennrich et al. (2016), tagged by Caswell et al. (2019); Zhang and Zong (2016); Nguyen et al.
# (2020), who use no tag.
METHODS = {
    each.name: each
    for each in (
        Method("back-translation", TARGET, "<BT>", "sources"),
        Method("self-training", SOURCE, "<ST>", "targets"),
        Method("diversification", None, "", "sources and targets"),
    )
}
