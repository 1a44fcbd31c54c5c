"""Write new recipes: the first one for a corpus of one's own, and one that extends another.

For the first one, the text is divided and the settings are chosen: `nmt init` does this, and
`nmt train SOURCE TARGET` after a check of the text. `nmt augment` extends a recipe by a corpus.
"""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

from nmt.config import Recipe, TextFiles
from nmt.corpora.held_out import SETS, HashedPairs, Plan, Sizes, hold_out, read_held_out, write_sets
from nmt.corpora.pairs import Names, shown
from nmt.corpora.presets import (
    ChosenSettings,
    CorpusFacts,
    StartModel,
    commented_recipe,
    fine_tuning_settings,
    needs_gpu,
)
from nmt.corpora.survey import few_pairs_notes, fitting_settings, survey
from nmt.errors import UsageError
from nmt.recipe.files import check_replaceable, find_recipe, name_from, read_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.settings import with_settings
from nmt.recipe.toml import toml_value
from nmt.runs.model_file import read_model
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import EVERYDAY, model_name
from nmt.system.arguments import argument, data_option
from nmt.system.atomic import atomic_folder, write_text
from nmt.system.devices import pick_device
from nmt.system.files import compute_sha256, entries
from nmt.system.json_data import json_text
from nmt.system.log import Notify
from nmt.text.prepare import find_openings
from nmt.text.reading.corpus import DataFolder, ParallelText, name_below
from nmt.text.reading.languages import languages_in_names
from nmt.text.reading.lines import STDIN, text_file
from nmt.text.reading.lines import TEXT as TEXT_FILE
from nmt.text.subwords.tokenizer import Tokenizer


@dataclass(frozen=True)
class RecipeRequest:
    """Hold the input of `nmt init`."""

    texts: tuple[ParallelText, ...]  # with their languages
    output: Path  # the recipe to write
    data_dir: Path
    dev: ParallelText | None = None  # held out of the text if there is none
    test: ParallelText | None = None
    has_gpu: bool | None = None  # of the machine that will train; None: look at this one
    start: StartModel | None = None  # the model that training starts from
    command: str = "nmt init"  # that writes the recipe
    both_directions: bool = False  # whether the model also translates each text backwards

    def __post_init__(self) -> None:
        """Raise UsageError for a text in one language that is wanted in both directions."""
        same = [text.title for text in self.texts if text.languages[0] == text.languages[1]]
        if same and self.both_directions:
            raise UsageError(f"{same[0]} has one language; leave out --both-directions")

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
    def paths(self) -> list[Path]:
        """Return the files of all texts."""
        return [path for text in self.texts for path in text.paths]

    @property
    def directions(self) -> list[tuple[str, str]]:
        """Return the languages of each corpus of the recipe: the texts, then reversed ones."""
        forward = [text.languages for text in self.texts]
        return forward + [(target, source) for source, target in forward if self.both_directions]

    @property
    def names(self) -> list[str]:
        """Return a name for each corpus of the recipe: that of the recipe if there is one."""
        if len(self.directions) == 1:
            return [self.name]
        seen = Counter[str]()
        names = []
        for name in map("_".join, self.directions):
            seen[name] += 1
            names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        return names

    @property
    def files(self) -> list[dict[str, tuple[Path, Path]]]:
        """Return, for each text, the files of source and target by set, if it is divided."""
        several = len(self.texts) > 1
        return [
            {
                kind: Names.for_text(f"{self.folder}/", text).sides(
                    f"{kind}.{name}" if several else kind
                )
                for kind in ("train", *self.held_out)
            }
            for text, name in zip(self.texts, self.names, strict=False)
        ]

    @property
    def arguments(self) -> str:
        """Return the files and options of `nmt init` that lead to the same recipe."""
        start = f" --init-from {argument(Path(model_name(self.start.path)))}" if self.start else ""
        return f"{text_arguments(self.texts)}{self.both}{start}{data_option(self.data_dir)}"

    @property
    def both(self) -> str:
        """Return the option for both directions, if they are wanted."""
        return " --both-directions" if self.both_directions else ""


def text_arguments(texts: Sequence[ParallelText]) -> str:
    """Return texts as arguments of a command, with the languages that their names do not state."""
    options = ""
    if any(languages_in_names(text.paths) != text.languages for text in texts):
        for index, side in enumerate(("source", "target")):
            codes = [text.languages[index] for text in texts]
            given = codes[:1] if len({*codes}) == 1 else codes
            options += f" --{side}-language {','.join(given)}"
    paths = (path for text in texts for path in text.paths)
    return f"{' '.join(map(argument, paths))}{options}"


ORIGIN = "origin.json"  # in the folder of the sets


@dataclass(frozen=True)
class Origin:
    """Name the files that sets were made of."""

    files: tuple[str, ...]  # absolute paths
    sha256: tuple[str, ...]  # of each file
    init_from: str = ""  # absolute path of the model that the recipe fine-tunes
    directions: tuple[str, ...] = ()  # of the recipe; empty in files of older versions


def find_origin(request: RecipeRequest) -> Origin:
    """Return the origin of sets that are made now; raises NmtError for an unreadable file."""
    paths, start = request.paths, request.start
    hashes = (compute_sha256(path, TEXT_FILE) for path in paths)
    model = os.path.realpath(start.path) if start else ""
    directions = tuple(map(" to ".join, request.directions))
    return Origin(tuple(map(os.path.realpath, paths)), tuple(hashes), model, directions)


def make_recipe(request: RecipeRequest, notify: Notify, remarks: Sequence[str] = ()) -> None:
    """Read corpora, hold out dev and test sets as needed, and write a recipe.

    notify: receives warnings, then what was found and written. remarks: more comments for the head
    of the recipe. Raises NmtError for text that cannot be read or does not align, or is too small
    to hold something out, UsageError for files that exist already or cannot be used. In either case
    nothing is written.
    """
    given = [text for text in (request.dev, request.test) if text]
    for text in (*request.texts, *given):
        text.check()
        text.entry(request.data_dir)  # its names can stand in a recipe
    if request.held_out:
        check_folder(request.folder)
    origin = find_origin(request)
    known, shared = read_given(given)
    names = [str(text.paths[0]) for text in request.texts]
    texts = [(text.languages, shown(text.pairs(), "read")) for text in request.texts]
    facts, hasher = survey(texts, ", ".join(names), known)
    plan = hold_out(
        hasher,
        Sizes(dev=0 if request.dev else None, test=0 if request.test else None),
        names=names,
        fix="leave this text out, or give more of it"
        if names[1:]
        else "give `nmt init` a dev and a test set with --dev and --test",
    )
    is_divided = bool(request.held_out or hasher.overlap)
    sized = facts.doubled() if request.both_directions else facts
    settings = suitable_settings(request, sized, plan)
    settings = with_data(request, settings, is_divided=is_divided)
    warn(request, facts, hasher.overlap, shared, notify)
    base = request.start.recipe if request.start else Recipe(request.name)
    recipe = with_settings(base, settings.values)
    check_together(recipe)
    first_lines = [*heading(request, facts, hasher.blank, settings), *remarks]
    written = commented_recipe(first_lines, settings, extended_name(request))
    plans = [plan.part(pairs) for pairs in hasher.corpora] if is_divided else []
    sets = write_files(request, written, origin, plans)
    more = f", {hasher.blank:,} more with an empty side" if hasher.blank else ""
    directions = ", ".join(map(" to ".join, dict.fromkeys(request.directions)))
    notify(f"{facts.pairs:,} pairs, {directions}{more}")
    if sets:
        repeated = facts.pairs - sum(sets.values())
        notify(f"{request.folder}: {sets_words(sets, repeated, is_clean=not shared)}")
    model = recipe.model
    notify(
        f"{request.output}: {model.encoder_layers}+{model.decoder_layers} layers,"
        f" d_model {model.d_model}, {recipe.tokenizer.vocab_size:,} tokens,"
        f"{' at most' * bool(recipe.train.patience)} {recipe.train.max_updates:,} updates; its"
        " comments say why"
    )
    for line in settings.notes:
        notify(line)


def extended_name(request: RecipeRequest) -> str:
    """Return the name of the model whose recipe is extended; "" for none."""
    if request.start is None:
        return ""
    path = request.start.path
    name = model_name(path)
    return name if name == EVERYDAY else name_from(path, request.output.parent)


def sets_words(sets: dict[str, int], repeated: int, *, is_clean: bool) -> str:
    """Return the sizes of sets in words, and whether they have near duplicates.

    repeated: pairs that are in no set. is_clean: whether the given dev and test sets share none.
    """
    sizes = ", ".join(f"{pairs:,} {name}" for name, pairs in sets.items())
    clean = "no two sets share a near duplicate"
    if repeated:
        clean = "1 pair is left out as a near duplicate of a pair in another set"
        if repeated > 1:
            clean = f"{repeated:,} pairs are left out as near duplicates of pairs in other sets"
    elif not is_clean:
        clean = "the training text has no near duplicate of another set"
    return f"{sizes} pairs; {clean}"


def read_given(given: Sequence[ParallelText]) -> tuple[HashedPairs, int]:
    """Return the pairs of given sets, and how many of them are nearly in an earlier one."""
    known, shared = HashedPairs(), 0
    for text in given:
        known = HashedPairs(text.pairs(), known)
        shared += known.overlap
    return known, shared


def check_folder(folder: Path) -> None:
    """Raise UsageError unless the sets can be written into a folder, which must be new or empty."""
    if names := [path.name for path in entries(folder)]:
        raise UsageError(
            f"the folder {folder} exists already and holds {names[0]}; choose another name for the"
            " recipe"
        )


def suitable_settings(request: RecipeRequest, facts: CorpusFacts, plan: Plan) -> ChosenSettings:
    """Return the settings for a corpus, or for the model to fine-tune."""
    if request.start:
        return fine_tuning_settings(facts, request.start)
    has_gpu = request.has_gpu
    if has_gpu is None:  # look only if that matters
        has_gpu = needs_gpu(facts) and pick_device().type == "cuda"
    return fitting_settings(
        facts,
        lambda: plan.training(chain.from_iterable(map(ParallelText.pairs, request.texts))),
        has_gpu=has_gpu,
    )


def write_files(
    request: RecipeRequest, text: str, origin: Origin, plans: Sequence[Plan]
) -> Counter[str]:
    """Write the recipe, and the sets with their origin if the texts are divided: all or nothing.

    plans: of the texts, if they are divided. Returns the number of pairs by set.
    """
    sets = Counter[str]()
    if not plans:
        write_text(request.output, text)
        return sets
    check_folder(request.folder)
    with atomic_folder(request.folder) as partial, ExitStack() as stack:
        for corpus, files, plan in zip(request.texts, request.files, plans, strict=True):
            streams = {
                kind: [stack.enter_context(text_file(partial / path.name)) for path in paths]
                for kind, paths in files.items()
            }
            sets.update(write_sets(corpus, plan, streams))
        write_text(partial / ORIGIN, json_text(origin, indent=1) + "\n")
    try:
        write_text(request.output, text)
    except BaseException:
        shutil.rmtree(request.folder, ignore_errors=True)
        raise
    return sets


def warn(
    request: RecipeRequest, facts: CorpusFacts, overlap: int, shared: int, notify: Notify
) -> None:
    """Print notes that a user should read before training."""
    if not request.start:
        for line in few_pairs_notes(facts.pairs):
            notify(line)
    if overlap:
        notify(
            f"{overlap:,} more pairs are left out: their source or target is nearly equal to"
            " one in the given dev or test set, which would make scores too high"
        )
    if shared:
        notify(
            f"{shared:,} pairs of the given test set have a source or target that is nearly equal"
            " to one in the given dev set: test scores will be too high; remove these pairs from"
            " one of the two sets"
        )


def heading(
    request: RecipeRequest, facts: CorpusFacts, blank: int, settings: ChosenSettings
) -> list[str]:
    """Return the first comments of the recipe."""
    files = " and ".join(toml_value(path.name) for path in request.paths)
    words = round(facts.words / facts.pairs)
    both = ", trained in both directions" if request.both_directions else ""
    rest = "the model's value" if request.start else "its default"
    left_out = f" {blank:,} pairs with an empty side do not count." if blank else ""
    return [
        f"Recipe for {files}, written by `{request.command}`.",
        f"{facts.pairs:,} pairs of about {words:,} words each{both}.{left_out}",
        *settings.notes,
        f"A setting that is not here has {rest}; `nmt settings` lists them all.",
    ]


def with_data(
    request: RecipeRequest, settings: ChosenSettings, *, is_divided: bool
) -> ChosenSettings:
    """Return settings with those of the [data] section.

    is_divided: whether sets are written, or the recipe names the files as they are.
    """
    entries: dict[str, list[Entry]] = {kind: [] for kind in SETS}
    for text, files in zip(request.texts, request.files, strict=True):
        parts = {"train": text, "dev": request.dev, "test": request.test}
        if is_divided:
            parts |= {kind: ParallelText(paths) for kind, paths in files.items()}
        languages = dict(zip(LANGUAGES, text.languages, strict=True))
        own = languages if len(request.directions) > 1 else {}
        for kind, part in parts.items():
            entries[kind] += [part.entry(request.data_dir) | own] if part else []
    if request.both_directions:
        entries = {kind: [*found, *map(reverse, found)] for kind, found in entries.items()}
    source, target = request.texts[0].languages
    start = request.start.recipe if request.start else None
    data = {
        "data.source_language": source,
        "data.target_language": target,
        "data.train": entries["train"],
        "data.dev": entries["dev"],
        # A model's own recipe may download its text, which this training does not use.
        **({"data.downloads": []} if start and start.data.downloads else {}),
        "data.test": dict(zip(request.names, entries["test"], strict=True)),
    }
    written = {target for _, target in request.directions}
    if start and start.decode.target_language and len(written) == 1:
        data["decode.target_language"] = target  # that of the model may be another
    reasons = dict(settings.reasons)
    if is_divided:
        reasons["data.train"] = "all pairs that are not in the dev and test sets"
    if not request.dev:
        reasons["data.dev"] = "held out; scored during training to choose the best model"
    if not request.test:
        reasons["data.test"] = "held out; no near duplicate of it is in the training text"
    return ChosenSettings(data | settings.values, reasons, settings.notes)


Entry = dict[str, Any]  # a table of a recipe that names a corpus
LANGUAGES = ("source_language", "target_language")
REVERSED = dict([("source", "target"), ("target", "source"), LANGUAGES, LANGUAGES[::-1]])


def reverse(entry: Entry) -> Entry:
    """Return the entry of a corpus with source and target exchanged."""
    columns = {"columns": [2, 1]} if "tsv" in entry else {}
    return {key: entry[REVERSED.get(key, key)] for key in entry} | columns


@dataclass(frozen=True)
class RecipeExtension:
    """Name the recipe to extend, and the one to write."""

    base: str  # the name or the file of a recipe
    path: Path
    data: DataFolder
    tag: str  # of the new corpus; "": none


def next_recipe(
    new: RecipeExtension,
    pairs: tuple[Path, Path],
    languages: tuple[str, str],
    given: Sequence[Path],
    writer: str,
    notify: Notify,
) -> tuple[str, frozenset[int]]:
    """Return the text of a recipe that extends another by a corpus, and its dev and test sets.

    Args:
        new: the recipe to extend, and the one to write.
        pairs: the files of the corpus.
        languages: those of the corpus.
        given: a text that is part of the corpus, which takes its place; empty: none.
        writer: the command that writes the recipe.
        notify: receives what a user should know.

    Raises:
        UsageError: if the recipe cannot be written or is for other languages.
        NmtError: if the recipe cannot be read, or its initial model does not have the tag.
    """
    data_dir = new.data.path
    check_output(new.path, [Path(new.base)], "--write-recipe")
    check_replaceable(new.path)
    if Path(new.base) == STDIN:
        raise UsageError("the new recipe extends --recipe, so that must be a file, not stdin")
    base = read_recipe(new.base)
    sets = (*base.data.dev, *base.data.test.values())
    set_files = [data_dir / name for files in sets for name in (*files.names, *files.references)]
    for path in pairs:
        check_output(path, set_files, "-o")
    own = base.data.known_directions
    if languages not in own:
        raise UsageError(
            f"recipe {base.name} trains a model {', '.join(map(' to '.join, own))}, but the new"
            f" pairs are {' to '.join(languages)}; give models of the other direction, or another"
            " --recipe"
        )
    source, target = (name_below(path, data_dir) for path in pairs)
    train = [files for files in base.data.train if not is_given(files, given, new.data, base)]
    codes = languages if len(own) > 1 else ("", "")
    train.append(
        TextFiles(source, target, source_language=codes[0], target_language=codes[1], tag=new.tag)
    )
    recipe = replace(base, name=new.path.stem, data=replace(base.data, train=tuple(train)))
    check_together(recipe)
    if recipe.train.init_from and recipe.data.tags:
        start = read_model(Path(recipe.train.init_from))
        find_openings(recipe, Tokenizer(start.tokenizer, "the tokenizer of the initial model"))
    defaults = {key.name: key.metadata["default"] for key in fields(TextFiles)}
    changed = (
        {key: getattr(files, key) for key in defaults if getattr(files, key) != defaults[key]}
        for files in train
    )
    entries = "".join(f"    {toml_value(entry)},\n" for entry in changed)
    text = f"# Recipe {base.name} with pairs of `{writer}`.\nextends = {toml_value(link(new))}\n"
    return f"{text}\n[data]\ntrain = [\n{entries}]\n", read_held_out(base, new.data, notify)


def is_given(files: TextFiles, given: Sequence[Path], folder: DataFolder, recipe: Recipe) -> bool:
    """Return whether a corpus of a recipe is a given text."""
    if len(files.names) != len(given):
        return False
    paths = [folder.find(name, recipe) for name in files.names]
    return [*map(os.path.realpath, paths)] == [*map(os.path.realpath, given)]


def link(new: RecipeExtension) -> str:
    """Return the name by which the new recipe extends the other."""
    if new.base in shipped_recipes() and not Path(new.base).exists():
        return new.base
    return name_from(find_recipe(new.base), new.path.parent)
