"""Write a recipe that trains with new pairs, too, and read the text that they are made of."""

import json
import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path

from nmt.config import Recipe, TextFiles
from nmt.corpora.findings import KINDS, UNREADABLE
from nmt.corpora.held_out import read_held_out
from nmt.corpora.pairs import Refused, read_leniently
from nmt.decoding.files.quality import Checked, checked_pairs, find_flags
from nmt.decoding.translator.translation import Translation
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.recipe.files import check_replaceable, find_recipe, read_recipe, shipped_recipes
from nmt.recipe.rules import check_together
from nmt.recipe.toml import toml_value
from nmt.runs.model_file import read_model
from nmt.runs.outputs import check_output
from nmt.system.json_data import parse_json
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, Pair, ParallelText, check_lasting, name_below, reader_for
from nmt.text.languages import language_in_name, languages_in_names
from nmt.text.lines import read_lines
from nmt.text.opening import STDIN
from nmt.text.prepare import check_tags
from nmt.text.tokenizer import SubwordModel, Tokenizer

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


@dataclass(frozen=True)
class Material:
    """Name the text to make pairs of; a monolingual text is read as pairs with an empty side."""

    method: Method
    paths: tuple[Path, ...]

    @property
    def title(self) -> str:
        """Return the names of the files."""
        return " + ".join(map(str, self.paths))

    def check(self) -> None:
        """Raise NmtError or UsageError unless there are files that can be read, and twice."""
        if self.method.side is None:
            ParallelText(self.paths, reader=reader_for(self.paths, None)).check_files()
        else:
            check_lasting(self.paths[0])

    def languages(self) -> tuple[str, str]:
        """Return the languages of source and target by the files' names; "": not known."""
        if self.method.side is None:
            return languages_in_names(self.paths)
        return self._pair(language_in_name(self.paths[0]))

    def pairs(self, refused: Refused) -> Iterator[Pair]:
        """Yield pairs; a line that cannot be read is recorded in `refused`, and blank here."""
        if self.method.side is None:
            yield from read_leniently(ParallelText(self.paths), refused)
            return
        for number, line in enumerate(read_lines(self.paths[0], refused.add), start=1):
            refused.lines = [number, number]
            yield self._pair(line)

    def _pair(self, text: str) -> Pair:
        """Return a pair with a text on the side that is given."""
        return Pair(text, "") if self.method.side == SOURCE else Pair("", text)

    def count(self) -> int:
        """Return the number of lines; raises NmtError if there are none, or files do not align."""
        refused, lines = Refused(), 0
        for _ in self.pairs(refused):
            lines += 1
        first, second = refused.lines
        if first != second:
            raise NmtError(
                f"{self.paths[0]} has {first:,} lines but {self.paths[1]} has {second:,}; parallel"
                " files must align line by line"
            )
        if not lines:
            raise NmtError(f"{self.title} is empty; give a text with lines to translate")
        return lines


EMPTY, UNTRANSLATED, HELD_OUT, DUPLICATES = "empty", "untranslated", "held_out", "duplicates"
# Why a pair is left out, in the order in which it is looked for. Those in the middle are flags of
# `nmt translate --flags`.
REASONS = {
    UNREADABLE: KINDS[UNREADABLE].title,
    EMPTY: "lines with an empty side",
    UNTRANSLATED: "translations without text",
    "length": "translations of a length that cannot be right",
    "repetition": "translations that repeat words or characters in a loop",
    "copy": "translations that copy most words of the text",
    "unknown": "translations that lose characters which the vocabulary lacks",
    HELD_OUT: "lines that are in a dev or test set of the recipe",
    DUPLICATES: "pairs that repeat an earlier one",
}


@dataclass(frozen=True)
class Verdict:
    """Hold a translation, and why it is left out; no reason: it is good."""

    text: str
    reason: str = ""
    detail: str = ""

    def as_line(self) -> str:
        """Return a line of JSON."""
        content = [self.text, self.reason, self.detail] if self.reason else [self.text]
        return f"{json.dumps(content, ensure_ascii=False)}\n"

    @classmethod
    def of_line(cls, line: str, origin: str) -> "Verdict":
        """Return the verdict of a line; raises DamagedError, naming `origin`, for another one."""
        content = parse_json(line, list[str], origin)
        if not 1 <= len(content) <= 3:
            raise DamagedError(f"{origin} is damaged: it has a line of {len(content)} texts")
        return cls(*content)


def judged(
    subwords: SubwordModel, segments: Sequence[str], translations: Sequence[Translation]
) -> list[Verdict]:
    """Return the verdicts on the translations of segments; subwords: of the model's source."""
    return [verdict_on(pair) for pair in checked_pairs(subwords, segments, translations)]


def verdict_on(pair: Checked) -> Verdict:
    """Return the verdict on a translation."""
    if not pair.source.strip():
        return Verdict("", EMPTY)
    if not pair.translation.strip():
        return Verdict("", UNTRANSLATED)
    flags = {each.name: each.values for each in find_flags(pair)}
    for name in REASONS:
        if name in flags:
            detail = ", ".join(f"{key}: {value}" for key, value in flags[name].items())
            return Verdict(pair.translation, name, detail)
    return Verdict(pair.translation)


@dataclass(frozen=True)
class NextRecipe:
    """Hold a recipe to write."""

    path: Path
    text: str
    tag: str
    held_out: Set[int]  # hashes of the segments of its dev and test sets


@dataclass(frozen=True)
class RecipeWish:
    """Name the recipe to extend, and the one to write."""

    base: str  # the name or the file of a recipe
    path: Path
    data_dir: Path
    tag: str | None = None  # None: that of the method


def next_recipe(
    wish: RecipeWish,
    material: Material,
    pairs: tuple[Path, Path],
    languages: tuple[str, str],
    command: str,
    notify: Notify,
) -> NextRecipe:
    """Return a recipe that extends another by a corpus.

    The pairs of a parallel text are in the corpus, which takes the place of that text.

    Args:
        wish: the recipes.
        material: what the corpus is made of.
        pairs: the files of the corpus.
        languages: those of the corpus.
        command: that writes the recipe.
        notify: receives what a user should know.

    Raises:
        UsageError: if the recipe cannot be written or is for other languages.
        NmtError: if the recipe cannot be read, or its initial model does not have the tag.
    """
    check_output(wish.path, [Path(wish.base)], "--write-recipe")
    check_replaceable(wish.path)
    if Path(wish.base) == STDIN:
        raise UsageError("the new recipe extends --recipe, so that must be a file, not stdin")
    base = read_recipe(wish.base)
    sets = (*base.data.dev, *base.data.test.values())
    set_files = [
        Path(wish.data_dir) / name for files in sets for name in (*files.names, *files.references)
    ]
    for path in pairs:
        check_output(path, set_files, "-o")
    own = base.data.source_language, base.data.target_language
    if own != languages:
        raise UsageError(
            f"recipe {base.name} trains a model {' to '.join(own)}, but the new pairs are"
            f" {' to '.join(languages)}; give models of the other direction, or another --recipe"
        )
    tag = material.method.tag if wish.tag is None else wish.tag
    names = [name_below(path, wish.data_dir) for path in pairs]
    added = TextFiles(names[0], names[1], tag=tag)
    train = [each for each in base.data.train if not is_text(each, base, wish, material)] + [added]
    recipe = replace(base, name=wish.path.stem, data=replace(base.data, train=tuple(train)))
    check_together(recipe)
    check_initial_model(recipe)
    lines = [
        f"# Recipe {base.name} with pairs of `nmt {command} {material.method.name}`.",
        f"extends = {toml_value(link(wish))}",
        "\n[data]\ntrain = [",
        *(f"    {toml_value(given_keys(each))}," for each in train),
        "]",
    ]
    held_out = read_held_out(base, DataFolder(wish.data_dir), notify)
    return NextRecipe(wish.path, "\n".join(lines) + "\n", tag, held_out)


def is_text(files: TextFiles, recipe: Recipe, wish: RecipeWish, material: Material) -> bool:
    """Return whether a training corpus is the parallel text that new pairs are made of."""
    if material.method.side is not None or len(files.names) != len(material.paths):
        return False
    paths = [DataFolder(wish.data_dir).find(name, recipe) for name in files.names]
    return [*map(os.path.realpath, paths)] == [*map(os.path.realpath, material.paths)]


def check_initial_model(recipe: Recipe) -> None:
    """Raise NmtError if the model that a recipe starts from lacks a tag of its corpora."""
    if recipe.train.init_from and recipe.data.tags:
        content = read_model(Path(recipe.train.init_from))
        check_tags(recipe, Tokenizer(content.tokenizer, "the tokenizer of the initial model"))


def link(wish: RecipeWish) -> str:
    """Return the name by which the new recipe extends the other."""
    path = find_recipe(wish.base)
    if wish.base in shipped_recipes() and not Path(wish.base).exists():
        return wish.base
    if path.is_absolute():
        return path.as_posix()
    folder = os.path.realpath(wish.path.parent)  # `..` goes up from where a link leads
    base = os.path.realpath(path.parent)
    return (Path(os.path.relpath(base, folder)) / path.name).as_posix()


def given_keys(files: TextFiles) -> dict[str, object]:
    """Return the keys of a corpus that are not their defaults."""
    values = {each.name: getattr(files, each.name) for each in fields(files)}
    defaults = {each.name: each.metadata["default"] for each in fields(files)}
    return {name: value for name, value in values.items() if value != defaults[name]}
