"""Plan the ladder of `nmt scale`: sizes of several recipes, with shares of the corpus.

A rung is a size of one recipe with a share of the training pairs. It is named by the width of the
Transformer that has as many parameters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.recipe.files import load_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.size import count_parameters
from nmt.studio.experiments.fit import Point, refusal
from nmt.studio.experiments.runs import PlannedRun, plan_runs
from nmt.studio.experiments.variants import Variant
from nmt.studio.inspection import count_flops

RECURRENT = "recurrent"
SIZES = (1 / 4, 1 / 2, 1, 2, 3)  # default sizes, in the recipe's own
LENGTH = 30  # tokens of a segment, assumed for the operations of an update
PATIENCE = 5  # validations, unless the recipe has its own
MOVING_AVERAGE = 0.999  # likewise
MOST_VALIDATIONS = 20  # of a run with a part of the corpus; each one translates the dev set
# Settings that the ladder chooses; those of text and tokenizer are the same in all runs.
CHOSEN = (
    *("data.", "tokenizer.", "model.d_model", "model.d_k", "model.d_v", "train.seed"),
    *("train.share", "train.label_smoothing", "train.early_stopping_metric"),
    *("train.cooldown_updates", "train.checkpoint_updates"),
)


@dataclass(frozen=True)
class Rung(Variant):
    """A recipe of the ladder, in one size and with one share of the corpus."""

    kind: str = ""  # name of the recipe that is compared
    size: int = 0  # d_model of the Transformer of as many parameters

    @property
    def name(self) -> str:
        """Return what the rung is called in notes."""
        return self.folder

    @property
    def folder(self) -> str:
        """Return the name of the folder of its runs."""
        share = f"-share-{self.recipe.train.share:g}" if self.recipe.train.share != 1 else ""
        kind = re.sub(r"[^\w.=-]", "-", self.kind)
        return f"{kind}-{self.size}{share}"


@dataclass(frozen=True)
class Ladder:
    """The rungs to train, and with which seeds."""

    recipe: Recipe  # the Transformer's
    rungs: Sequence[Rung]
    checks: Sequence[Rung]  # those that the laws predict
    seeds: Sequence[int]
    budget: float | None  # operations of a run, at most

    @property
    def pair(self) -> list[Rung]:
        """Return the rungs of the recipe's own size, which are trained with every seed."""
        own = self.recipe.model.d_model
        return [rung for rung in self.rungs if rung.size == own and rung.recipe.train.share == 1]

    def fitted(self, output: Path) -> list[PlannedRun]:
        """Return the runs that laws are fitted to."""
        first, *others = self.seeds
        return [*plan_runs(self.rungs, [first], output), *plan_runs(self.pair, others, output)]

    def predicted(self, output: Path) -> list[PlannedRun]:
        """Return the runs that laws predict."""
        return plan_runs(self.checks, self.seeds[:1], output)


def compared_recipes(
    name: str, against: Sequence[str] | None, overrides: Sequence[str]
) -> dict[str, Recipe]:
    """Return the Transformer's recipe and those that it is compared with, by their names.

    against: recipes, which take text, tokenizer and search of the first one, or settings
    (`section.key=value`) that change it; None is the shipped recipe NAME_recurrent, or the setting
    of that architecture. Raises UsageError if the first recipe is no Transformer.
    """
    base = load_recipe(name, overrides)
    if base.model.is_recurrent:
        raise UsageError(f"{name} is not a Transformer; name the recipe of the Transformer")
    if against is None:
        shipped = f"{base.name}_{RECURRENT}"
        against = [shipped if shipped in shipped_recipes() else f"model.architecture={RECURRENT}"]
    found = {base.name: base}
    for other in against:
        if "=" in other:
            changed = parse_overrides([other])
            for setting in filter(lambda name: name.startswith(CHOSEN), changed):
                raise UsageError(f"nmt scale chooses {setting} itself; leave out --against {other}")
            compared, recipe = other, with_settings(base, changed)
        else:
            own = load_recipe(other, overrides)
            compared = own.name
            recipe = replace(own, data=base.data, tokenizer=base.tokenizer, decode=base.decode)
        if compared in found:
            raise UsageError(f"{compared} is compared with itself; name another recipe or setting")
        found[compared] = recipe
    return found


def check_size(base: Recipe, size: int) -> None:
    """Raise UsageError if heads of an even width cannot divide a size."""
    step = 2 * base.model.heads
    if size < 1 or size % step:
        raise UsageError(f"a size is a multiple of {step}, twice model.heads, not {size}")


def transformer(base: Recipe, size: int) -> Recipe:
    """Return the Transformer of a size; d_ff / d_model is the recipe's, d_k = d_v = size / heads.

    Raises UsageError as `check_size` does.
    """
    model = base.model
    check_size(base, size)
    width, d_ff = size // model.heads, round(model.d_ff * size / model.d_model)
    return replace(base, model=replace(model, d_model=size, d_ff=d_ff, d_k=width, d_v=width))


def update_operations(recipe: Recipe, vocab_size: int) -> float:
    """Return the operations of an update with a full batch of segments of `LENGTH` tokens."""
    return count_flops(recipe, vocab_size, LENGTH).training_per_update


def rung(
    base: Recipe, kind: str, recipe: Recipe, size: int, share: float, budget: float | None
) -> Rung:
    """Return the rung of a recipe with a size and a share.

    At twice the size, the learning rate is half as large, because the best rate of Adam falls so
    (Yang et al., 2021); equation 3 has only the root of the width.

    base: the Transformer's recipe. kind: the name of the compared recipe; a recurrent one is as
    wide as gives it the nearest number of parameters. budget: the most operations, if any.
    """
    sized = transformer(recipe, size)
    if recipe.model.is_recurrent:
        V = base.tokenizer.vocab_size
        wanted = count_parameters(transformer(base, size).model, V)
        models = (replace(recipe.model, d_model=width) for width in range(2, 4 * size, 2))
        nearest = min(models, key=lambda model: abs(count_parameters(model, V) - wanted))
        sized = replace(recipe, model=nearest)
    train = recipe.train
    own = (base if recipe.model.is_recurrent else recipe).model.d_model  # the size that was tuned
    most = train.max_updates
    if budget is not None:
        operations = update_operations(sized, sized.tokenizer.vocab_size)
        most = max(1, min(most, int(budget / operations)))
    apart = max(round(train.validate_updates * share), -(-most // MOST_VALIDATIONS))
    rules = {
        "train.share": share,
        "train.label_smoothing": 0.0,
        "train.learning_rate_scale": train.learning_rate_scale * (own / size) ** 0.5,
        "train.early_stopping_metric": "loss",
        "train.patience": train.patience or PATIENCE,
        "train.cooldown_updates": 0,
        "train.moving_average": train.moving_average or MOVING_AVERAGE,
        "train.validate_updates": min(apart, train.validate_updates),
        "train.checkpoint_updates": min(apart, train.validate_updates),
        "train.max_updates": most,
    }
    sized = with_settings(sized, rules)
    check_together(sized)
    return Rung(sized, kind=kind, size=size)


def plan(
    recipes: Mapping[str, Recipe],
    sizes: Sequence[int],
    shares: Sequence[float],
    seeds: Sequence[int],
    budget: float | None,
    check: int | None,
) -> Ladder:
    """Return the ladder of some options of `nmt scale`; an empty one has its default.

    recipes: the result of `compared_recipes`. Nothing is checked if there will be no law. Raises
    UsageError for a value that is not possible.
    """
    base = next(iter(recipes.values()))
    own, step = base.model.d_model, 2 * base.model.heads
    defaults = [max(step, round(own * factor / step) * step) for factor in SIZES]
    sizes = sorted({*(sizes or defaults), own})
    for size in sizes:
        check_size(base, size)
    if check is None:  # a step as the last one, to a size that heads divide
        ratio = sizes[-1] / sizes[-2] if len(sizes) > 1 else 2
        check = max(sizes[-1] + step, round(sizes[-1] * ratio / step) * step)
    if check in sizes:
        raise UsageError(f"--check {check} is a size of the ladder; name another one")
    middle = len(sizes) // 2
    parts = [(size, share) for share in shares for size in sizes[middle:][:2]]
    points = dict.fromkeys([*((size, 1.0) for size in sizes), *parts])
    has_law = not refusal([Point(size, share, 0.0) for size, share in points])
    rungs, checks = (
        [rung(base, *named, *point, budget) for point in group for named in recipes.items()]
        for group in (points, [(check, 1.0)] * has_law)
    )
    return Ladder(base, rungs, checks, seeds or [base.train.seed], budget)
