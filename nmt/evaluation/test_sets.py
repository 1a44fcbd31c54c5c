"""Test sets: from files, from a recipe, or sacreBLEU's own by name."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import URLError

from nmt.config import Recipe, TextFiles
from nmt.errors import NmtError, UsageError
from nmt.evaluation.scores import MetricSet
from nmt.recipe import suggestion
from nmt.text.corpus import DataFolder, align, read_pairs, read_segments


@dataclass(frozen=True)
class TestSet:
    """Segments to translate, what they should become, and labels for exact match, if any."""

    name: str
    sources: list[str]  # none where only translations are scored
    references: list[tuple[str, ...]]  # of each segment, one or more
    labels: list[str]
    source_sha256: str
    reference_sha256s: tuple[str, ...]
    lines: list[int]  # where each segment first stands in the files, counted from 0
    line_count: int  # of the files

    @classmethod
    def of(
        cls,
        name: str,
        sources: Sequence[str],
        references: Sequence[tuple[str, ...]],
        labels: Sequence[str] = (),
    ) -> "TestSet":
        """A test set of these segments; raises NmtError if there is none."""
        if not references:
            raise NmtError(f"{name} is empty: there is nothing to score")
        digests = tuple(map(sha256_of_lines, zip(*references, strict=True)))
        source = sha256_of_lines(sources) if sources else ""
        count = len(references)
        lines = [*range(count)]
        return cls(
            name, [*sources], [*references], [*labels], source, digests, lines, line_count=count
        )

    def as_scored(self, metrics: MetricSet) -> "TestSet":
        """What these metrics score once each: lines of equal source merged, if they do that."""
        items = metrics.items(self.sources, self.references)
        return replace(
            self,
            sources=[self.sources[line] for line in items.lines] if self.sources else [],
            references=items.references,
            labels=[self.labels[line] for line in items.lines] if self.labels else [],
            lines=items.lines,
        )


def sha256_of_lines(lines: Iterable[str]) -> str:
    """SHA-256 of segments as a file of UTF-8 lines, however they were packed."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def read_references(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """The references of each segment, from one or more aligned files."""
    columns = [list(read_segments(paths[0]))]
    columns += ([right for _, right in align(paths[0], path)] for path in paths[1:])
    return list(zip(*columns, strict=True))


def reference_test(references: Sequence[Path]) -> TestSet:
    """A test set to score given translations on, from one or more files of references."""
    return TestSet.of(str(references[0]), [], read_references(references))


def files_test(source: Path, references: Sequence[Path]) -> TestSet:
    """A test set from a file of sources and one or more of references."""
    pairs = list(align(source, references[0]))
    return TestSet.of(str(source), [left for left, _ in pairs], read_references(references))


def recipe_tests(recipe: Recipe, data: DataFolder) -> list[TestSet]:
    """The test sets of a recipe, all of them found before any is translated."""
    if not recipe.data.test:
        raise NmtError(f"recipe {recipe.name} names no test set; give SOURCE and REFERENCE files")
    return [recipe_test(name, files, recipe, data) for name, files in recipe.data.test.items()]


def recipe_test(name: str, files: TextFiles, recipe: Recipe, data: DataFolder) -> TestSet:
    """One test set of a recipe."""
    pairs = list(read_pairs(files, data, recipe))
    columns = [[target for _, target in pairs]]
    columns += (beside(each, len(pairs), recipe, data) for each in files.references)
    labels = beside(files.labels, len(pairs), recipe, data) if files.labels else []
    sources = [source for source, _ in pairs]
    return TestSet.of(name, sources, list(zip(*columns, strict=True)), labels)


def beside(name: str, lines: int, recipe: Recipe, data: DataFolder) -> list[str]:
    """The lines of a file that goes with a test set of so many."""
    path = data.find(name, recipe)
    found = list(read_segments(path))
    if len(found) != lines:
        raise NmtError(f"{path} has {len(found)} lines but its test set {lines}")
    return found


def sacrebleu_test(name: str, language_pair: str) -> TestSet:
    """A test set of sacreBLEU's, downloaded by it unless it is in its folder.

    Raises UsageError for an unknown name or language pair, NmtError without a network.
    """
    from sacrebleu.dataset import DATASETS
    from sacrebleu.utils import SACREBLEU_DIR

    if name not in DATASETS:
        raise UsageError(f"sacreBLEU has no test set '{name}'{suggestion(name, DATASETS)}")
    dataset = DATASETS[name]
    if language_pair not in dataset.langpairs:
        pairs = ", ".join(dataset.langpairs)
        raise UsageError(f"sacreBLEU has {name} for {pairs}, not for '{language_pair}'")
    folder = Path(SACREBLEU_DIR) / name
    try:
        source = Path(dataset.get_source_file(language_pair))
        references = [*map(Path, dataset.get_reference_files(language_pair))]
    except URLError as error:
        raise NmtError(
            f"cannot download sacreBLEU's {name} ({error.reason}): is there a network? One that was"
            f" fetched elsewhere by `sacrebleu -t {name} -l {language_pair} --echo src` can be"
            f" copied to {folder}"
        ) from error
    except (Exception, SystemExit) as error:  # what sacreBLEU says of a bad file or folder varies
        raise NmtError(
            f"cannot read sacreBLEU's {name} ({error}); remove {folder} to download it anew"
        ) from error
    found = files_test(source, references)
    return TestSet.of(f"{name} {language_pair}", found.sources, found.references)
