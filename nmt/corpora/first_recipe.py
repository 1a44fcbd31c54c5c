"""Make the first recipe for a corpus of one's own: divide the text and choose the settings."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from nmt.config import Recipe
from nmt.corpora.fine_tuning import TrainedModel, fine_tuning_settings
from nmt.corpora.held_out import HashedPairs, Plan, Sides, Sizes, hold_out, placed
from nmt.corpora.presets import Choice, ChosenSettings, commented_recipe, needs_gpu
from nmt.corpora.survey import Survey, few_pairs_notes, fitting_settings, survey
from nmt.errors import NmtError, UsageError
from nmt.recipe.files import parse_recipe
from nmt.recipe.rules import check_together
from nmt.recipe.settings import with_settings
from nmt.recipe.toml import toml_key, toml_value
from nmt.system.arguments import argument, data_option
from nmt.system.atomic import atomic_folder, write_text
from nmt.system.devices import pick_device
from nmt.system.files import entries, is_present, read_text, sha256_of
from nmt.system.json_data import json_text, parse_json
from nmt.system.log import Notify, progress_bar
from nmt.text.corpus import Pair, ParallelText
from nmt.text.opening import TEXT, text_file

NAME = "origin.json"  # in the folder of the sets
LARGEST = 1_000_000  # bytes; it has two paths and hashes


@dataclass(frozen=True)
class Origin:
    """Name the files that sets were made of."""

    files: tuple[str, ...]  # absolute paths
    sha256: tuple[str, ...]  # of each file
    init_from: str = ""  # absolute path of the model that the recipe fine-tunes

    @classmethod
    def of(cls, text: ParallelText, start: TrainedModel | None) -> "Origin":
        """Return the origin of sets that are made now; raises NmtError for an unreadable file."""
        return cls(
            tuple(os.path.realpath(path) for path in text.paths),
            tuple(sha256_of(path, TEXT) for path in text.paths),
            os.path.realpath(start.path) if start else "",
        )

    @classmethod
    def read(cls, folder: Path) -> "Origin | None":
        """Return the origin of the sets in a folder; None if it does not say.

        Raises NmtError for a damaged file.
        """
        path = folder / NAME
        if not is_present(path):
            return None
        return parse_json(read_text(path, "the file", most=LARGEST), cls, str(path))

    def write(self, folder: Path) -> None:
        """Write the origin into the folder of the sets."""
        write_text(folder / NAME, json_text(self, indent=1) + "\n")

    def changed(self, now: "Origin") -> list[str]:
        """Return which of the files have another content now; all if they are other files."""
        if len(self.sha256) != len(now.sha256):
            return [*now.files]
        both = zip(now.files, self.sha256, now.sha256, strict=True)
        return [path for path, old, new in both if old != new]


@dataclass(frozen=True)
class Wish:
    """Hold the input of `nmt init`."""

    text: ParallelText
    languages: tuple[str, str]  # of source and target
    output: Path  # the recipe to write
    data_dir: Path
    dev: ParallelText | None = None  # held out of the text if there is none
    test: ParallelText | None = None
    has_gpu: bool | None = None  # of the machine that will train; None: look at this one
    start: TrainedModel | None = None  # the model that training starts from
    command: str = "nmt init"  # that writes the recipe

    @property
    def name(self) -> str:
        """Return the name of the recipe."""
        return self.output.stem

    @property
    def folder(self) -> Path:
        """Return the folder of the sets that are written."""
        return self.data_dir / self.name

    @property
    def training(self) -> str:
        """Return the command that trains with the recipe."""
        return f"nmt train {argument(self.output)}{data_option(self.data_dir)}"

    @property
    def held_out(self) -> list[str]:
        """Return the names of the sets to hold out of the text."""
        return [kind for kind in ("dev", "test") if getattr(self, kind) is None]

    @property
    def files(self) -> dict[str, tuple[str, str]]:
        """Return the names of the files by set: source, target. They are for a divided text."""
        source, target = self.languages
        sides = (source, target) if source != target else ("source", "target")
        packed = ".gz" if any(path.suffix in (".gz", ".xz") for path in self.text.paths) else ""
        first, second = (f"{side}{packed}" for side in sides)
        kinds = ["train", *self.held_out]
        return {kind: (f"{kind}.{first}", f"{kind}.{second}") for kind in kinds}


@dataclass(frozen=True)
class FirstRecipe:
    """Describe a recipe that was written, and what was found in the text."""

    recipe: Recipe
    settings: ChosenSettings
    survey: Survey
    sets: dict[str, int]  # the numbers of pairs in the sets that were written
    shared: int  # pairs of a given test set with a side that is nearly in a given dev set


def make_recipe(wish: Wish, notify: Notify, remarks: Sequence[str] = ()) -> FirstRecipe:
    """Read a corpus, hold out dev and test sets as needed, and write a recipe.

    notify: receives warnings. remarks: more comments for the head of the recipe. Raises NmtError
    for text that cannot be read or does not align, or is too small to hold something out,
    UsageError for files that exist already or cannot be used. In either case nothing is written.
    """
    given = [each for each in (wish.dev, wish.test) if each]
    for each in (wish.text, *given):
        each.check()
        each.entry(wish.data_dir)  # its names can stand in a recipe
    if wish.held_out:
        check_folder(wish.folder)
    origin = Origin.of(wish.text, wish.start)
    known, shared = read_given(given)
    found = survey(shown(wish.text.pairs(), "read"), known)
    if not found.facts.pairs:
        other = ", unless it is in a given dev or test set" if found.overlap else ""
        raise NmtError(f"{wish.text.paths[0]} has no pair with text on both sides{other}")
    plan = hold_out(
        found.hashed,
        Sizes(dev=0 if wish.dev else None, test=0 if wish.test else None),
        name=str(wish.text.paths[0]),
        fix="give `nmt init` a dev and a test set with --dev and --test",
    )
    settings = settings_for(wish, found, plan)
    warn(wish, found, shared, notify)
    is_divided = bool(wish.held_out or found.overlap)
    data = data_choices(wish, is_divided=is_divided)
    first_lines = [*heading(wish, found, settings), *remarks]
    recipe = parse_recipe(
        commented_recipe(first_lines, data, settings), wish.name, str(wish.output)
    )
    extends = ""
    if wish.start:
        extends = wish.start.link(wish.output)
        recipe = extended(wish.start.recipe, recipe, settings)
    check_together(recipe)
    text = commented_recipe(first_lines, data, settings, extends)
    sets = write_files(wish, text, origin, plan if is_divided else None)
    return FirstRecipe(recipe, settings, found, sets, shared)


def extended(base: Recipe, recipe: Recipe, settings: ChosenSettings) -> Recipe:
    """Return a recipe as it will be loaded: with all that it inherits from `base`.

    settings: its own, apart from the [data] section.
    """
    own = recipe.data
    data = replace(
        base.data,
        source_language=own.source_language,
        target_language=own.target_language,
        train=own.train,
        dev=own.dev,
        test=own.test,
        downloads=own.downloads,
    )
    changes = {each.name: each.value for each in settings.choices}
    return replace(with_settings(base, changes), name=recipe.name, data=data)


def read_given(given: Sequence[ParallelText]) -> tuple[Sides, int]:
    """Return the segments of given sets, and how many pairs are nearly in an earlier one."""
    known, shared = Sides(), 0
    for text in given:
        hasher = HashedPairs(text.pairs(), known)
        shared += hasher.overlap
        known |= hasher.segments()
    return known, shared


def check_folder(folder: Path) -> None:
    """Raise UsageError unless the sets can be written into a folder, which must be new or empty."""
    if names := [path.name for path in entries(folder)]:
        raise UsageError(
            f"the folder {folder} exists already and holds {names[0]}; choose another name for the"
            " recipe"
        )


def settings_for(wish: Wish, found: Survey, plan: Plan) -> ChosenSettings:
    """Return the settings for a corpus, or for the model to fine-tune; see `fitting_settings`."""
    if wish.start:
        return fine_tuning_settings(found.facts, wish.start)

    def training() -> Iterator[Pair]:
        every = placed(wish.text.pairs(), plan, str(wish.text.paths[0]))
        return (pair for kind, pair in every if kind == "train")

    return fitting_settings(found.facts, training, has_gpu=has_gpu(wish, found))


def write_files(wish: Wish, text: str, origin: Origin, plan: Plan | None) -> dict[str, int]:
    """Write the recipe, and the sets with their origin if the text is divided: all or nothing.

    Returns the number of pairs by set.
    """
    if plan is None:
        write_text(wish.output, text)
        return {}
    check_folder(wish.folder)
    with atomic_folder(wish.folder) as partial:
        sets = write_sets(wish, plan, partial)
        origin.write(partial)
    try:
        write_text(wish.output, text)
    except BaseException:
        shutil.rmtree(wish.folder, ignore_errors=True)
        raise
    return sets


def write_sets(wish: Wish, plan: Plan, folder: Path) -> dict[str, int]:
    """Write the pairs of the corpus into files of a folder; return the numbers of pairs by set."""
    counts = dict.fromkeys(wish.files, 0)
    pairs = shown(wish.text.pairs(), "write")
    with ExitStack() as stack:
        streams = {
            kind: [stack.enter_context(text_file(folder / name)) for name in names]
            for kind, names in wish.files.items()
        }
        for kind, pair in placed(pairs, plan, str(wish.text.paths[0])):
            if kind in counts:  # the others are removed
                counts[kind] += 1
                for stream, segment in zip(streams[kind], pair, strict=True):
                    stream.write(f"{segment}\n")
    return counts


def shown(pairs: Iterable[Pair], what: str) -> Iterable[Pair]:
    """Return pairs with a progress bar that counts them."""
    return progress_bar(iterable=pairs, unit="pair", unit_scale=True, desc=what)


def warn(wish: Wish, found: Survey, shared: int, notify: Notify) -> None:
    """Print notes that a user should read before training."""
    if not wish.start:
        for line in few_pairs_notes(found.facts.pairs):
            notify(line)
    if found.overlap:
        notify(
            f"{found.overlap:,} more pairs are left out: their source or target is nearly equal to"
            " one in the given dev or test set, which would make scores too high"
        )
    if shared:
        notify(
            f"{shared:,} pairs of the given test set have a source or target that is nearly equal"
            " to one in the given dev set: test scores will be too high; remove these pairs from"
            " one of the two sets"
        )


def has_gpu(wish: Wish, found: Survey) -> bool:
    """Return whether the machine that will train has a GPU; looks only if that matters."""
    if wish.has_gpu is not None:
        return wish.has_gpu
    return needs_gpu(found.facts) and pick_device().type == "cuda"


def heading(wish: Wish, found: Survey, settings: ChosenSettings) -> list[str]:
    """Return the first comments of the recipe."""
    facts = found.facts
    files = " and ".join(toml_value(path.name) for path in wish.text.paths)
    words = round(facts.words / facts.pairs)
    rest = "the model's value" if wish.start else "its default"
    left_out = f" {found.blank:,} pairs with an empty side do not count." if found.blank else ""
    return [
        f"Recipe for {files}, written by `{wish.command}`.",
        f"{facts.pairs:,} pairs of about {words:,} words each.{left_out}",
        *settings.notes,
        f"A setting that is not here has {rest}; `nmt settings` lists them all.",
    ]


def data_choices(wish: Wish, *, is_divided: bool) -> list[Choice]:
    """Return the [data] settings."""

    def entry(kind: str, given: ParallelText | None) -> dict[str, str]:
        if is_divided and kind in wish.files:
            given = ParallelText(tuple(wish.folder / name for name in wish.files[kind]))
        assert given is not None  # noqa: S101 (a set is given or written)
        return given.entry(wish.data_dir)

    source, target = wish.languages
    train = "all pairs that are not in the dev and test sets" if is_divided else ""
    # A model's own recipe may download its text, which this training does not use.
    downloads = []
    if wish.start and wish.start.recipe.data.downloads:
        downloads.append(Choice("data.downloads", []))
    dev = "" if wish.dev else "held out; scored during training to choose the best model"
    test = "" if wish.test else "held out; no near duplicate of it is in the training text"
    return [
        Choice("data.source_language", source),
        Choice("data.target_language", target),
        Choice("data.train", [entry("train", wish.text)], train),
        Choice("data.dev", [entry("dev", wish.dev)], dev),
        *downloads,
        Choice(f"data.test.{toml_key(wish.name)}", entry("test", wish.test), test),
    ]
