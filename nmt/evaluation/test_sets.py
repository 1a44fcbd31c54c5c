"""Read test sets: from files, from a recipe, or sacreBLEU's own by name.

Warnings tell of test sets and translations that are probably wrong: a function returns sentences,
none if all is well.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import URLError

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, suggestion
from nmt.evaluation.metrics import MetricSet
from nmt.text.reading.corpus import DataFolder, align_columns
from nmt.text.reading.lines import read_segments, read_text_file


@dataclass(frozen=True)
class TestSet:
    """Segments to translate, their references, and labels and wrong targets if there are any."""

    name: str
    sources: list[str]  # empty if only references are known
    references: list[tuple[str, ...]]  # for each segment, one or more
    labels: list[str]  # for each segment, separated by spaces; empty if there are none
    contrasts: list[str]  # for each segment, a wrong target; empty if there are none
    source_sha256: str  # of the lines; "" without sources
    reference_sha256s: tuple[str, ...]
    lines: list[int]  # where each segment first stands in the files, counted from 0
    line_count: int  # of the files
    languages: tuple[str, str] = ("", "")  # codes of source and target; "": not known

    @classmethod
    def of(
        cls,
        name: str,
        sources: Sequence[str],
        references: Sequence[tuple[str, ...]],
        labels: Sequence[str] = (),
        contrasts: Sequence[str] = (),
    ) -> "TestSet":
        """Return the test set of these segments; raises NmtError if there are none."""
        check_not_empty(name, references)
        digests = tuple(map(digest_lines, zip(*references, strict=True)))
        source = digest_lines(sources) if sources else ""
        lines = [*range(len(references))]
        texts = [*sources], [*references], [*labels], [*contrasts]
        return cls(name, *texts, source, digests, lines, len(lines))

    def grouped(self, metrics: MetricSet) -> "TestSet":
        """Return the test set with the segments that these metrics score.

        If the metrics merge sources, lines with one source become one segment with the distinct
        labels and the distinct references of all of them; blank references are dropped. Otherwise,
        or if there are no sources, every line is a segment.
        """
        if not metrics.merges_sources:
            return self
        groups: dict[str, list[int]] = {}
        for line in range(len(self.references)):
            groups.setdefault(self.sources[line] if self.sources else str(line), []).append(line)
        references, labels = [], []
        for lines in groups.values():
            texts = dict.fromkeys(text for line in lines for text in self.references[line])
            references.append(tuple(text for text in texts if text.strip()) or ("",))
            if self.labels:
                found = dict.fromkeys(" ".join(self.labels[line] for line in lines).split())
                labels.append(" ".join(found))
        return replace(
            self,
            sources=[*groups] if self.sources else [],
            references=references,
            labels=labels,
            contrasts=[self.contrasts[lines[0]] for lines in groups.values() if self.contrasts],
            lines=[lines[0] for lines in groups.values()],
        )


def check_not_empty(name: str, segments: Sequence[object]) -> None:
    """Raise NmtError if a text has no segments."""
    if not segments:
        raise NmtError(f"{name} is empty: there is nothing to score")


def digest_lines(lines: Iterable[str]) -> str:
    """Return the SHA-256 of segments written as UTF-8 lines; compression makes no difference."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def files_test(source: Path | None, references: Sequence[Path]) -> TestSet:
    """Read a test set from files, pipes, or stdin for `-`, each once.

    source: None for a test set to score given translations on. references: one or more files.
    Raises NmtError if a file cannot be read, is empty, or has more lines than another.
    """
    texts = [read_text_file(path) for path in (*filter(None, [source]), *references)]
    for text in texts:
        check_not_empty(text.name, text.segments)
    rows = [*align_columns([text.name for text in texts], [text.segments for text in texts])]
    if source is None:
        return TestSet.of(texts[0].name, [], rows)
    return TestSet.of(texts[0].name, texts[0].segments, [row[1:] for row in rows])


def recipe_tests(recipe: Recipe, data: DataFolder) -> list[TestSet]:
    """Read all test sets of a recipe, with their further references, labels and wrong targets.

    Raises NmtError if the recipe names none, or if a file is missing.
    """
    if not recipe.data.test:
        raise NmtError(f"recipe {recipe.name} names no test set; give SOURCE and REFERENCE files")
    tests = []
    for name, files in recipe.data.test.items():
        pairs = list(data.text(files, recipe).pairs())
        columns = [[pair.target for pair in pairs]]
        columns += (aligned_lines(file, len(pairs), recipe, data) for file in files.references)
        labels, contrasts = (
            aligned_lines(file, len(pairs), recipe, data) if file else []
            for file in (files.labels, files.contrast)
        )
        sources, references = [pair.source for pair in pairs], [*zip(*columns, strict=True)]
        test = TestSet.of(name, sources, references, labels, contrasts)
        tests.append(replace(test, languages=recipe.data.find_languages(files)))
    return tests


def aligned_lines(name: str, count: int, recipe: Recipe, data: DataFolder) -> list[str]:
    """Read a file that belongs to a test set; raises NmtError unless it has `count` lines."""
    path = data.find(name, recipe)
    found = list(read_segments(path))
    if len(found) != count:
        raise NmtError(
            f"{path} has {len(found)} lines but its test set has {count}; they must align line by"
            " line"
        )
    return found


def sacrebleu_test(name: str, language_pair: str) -> TestSet:
    """Read one of sacreBLEU's test sets; sacreBLEU downloads it unless its folder holds it.

    Raises UsageError for an unknown name or language pair, NmtError if the download fails or the
    files are damaged.
    """
    from sacrebleu.dataset import DATASETS
    from sacrebleu.utils import SACREBLEU_DIR

    if name not in DATASETS:
        raise UsageError(
            f"sacreBLEU has no test set '{name}'{suggestion(name, DATASETS)}; the test sets of a"
            " recipe are scored without --test-set"
        )
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
            f"cannot download sacreBLEU's {name} ({error.reason}); check the network, or run"
            f" `sacrebleu -t {name} -l {language_pair} --echo src` on another machine and copy the"
            f" result to {folder}"
        ) from error
    except (Exception, SystemExit) as error:  # sacreBLEU raises many kinds for damaged files
        raise NmtError(
            f"cannot read sacreBLEU's {name} ({error}); remove {folder} to download it again"
        ) from error
    return replace(files_test(source, references), name=f"{name} {language_pair}")


def reference_warnings(test: TestSet) -> list[str]:
    """Return warnings about the sources and the references."""
    blank = without_reference(test)
    if all(blank):
        return [f"every reference of {test.name} is blank: the scores are meaningless"]
    if not test.sources:
        return []
    found = one_sided("sources", is_blank(test.sources), "the reference", blank, test)
    found += one_sided("references", blank, "the source", is_blank(test.sources), test)
    if all(source in known for source, known in zip(test.sources, test.references, strict=True)):
        found.append("every reference equals its source: is the file of references the right one?")
    return [f"{test.name}: {warning}" for warning in found]


def output_warnings(test: TestSet, name: str, outputs: Sequence[str]) -> list[str]:
    """Return warnings about the translations of a system with this name."""
    blank = is_blank(outputs)
    if all(blank):
        return [f"{test.name}: every translation of {name} is blank"]
    unknown = without_reference(test)
    found: list[str] = []
    if not all(unknown):  # which has its own warning
        if test.sources:  # the references were compared with them
            expected = [
                here or there for here, there in zip(unknown, is_blank(test.sources), strict=True)
            ]
        else:
            expected = unknown
            found += one_sided("references", unknown, f"the translation of {name}", blank, test)
        found += one_sided(f"translations of {name}", blank, "the reference", expected, test)
    if test.sources and list(outputs) == test.sources:
        found.append(f"every translation of {name} equals its source")
    return [f"{test.name}: {warning}" for warning in found]


def is_blank(segments: Sequence[str]) -> list[bool]:
    """Return for each segment whether it is empty or only white space."""
    return [not segment.strip() for segment in segments]


def without_reference(test: TestSet) -> list[bool]:
    """Return for each segment whether all its references are blank."""
    return [all(is_blank(references)) for references in test.references]


def one_sided(
    what: str, blank: Sequence[bool], other: str, other_blank: Sequence[bool], test: TestSet
) -> list[str]:
    """Return how many segments are blank on one side only, and the line of the first."""
    pairs = zip(test.lines, blank, other_blank, strict=True)
    lines = [line + 1 for line, here, there in pairs if here and not there]
    if not lines:
        return []
    return [f"{what} blank where {other} is not: {len(lines):,} (first: line {lines[0]})"]
