"""Hold what was found in text: the kinds of findings, each with its fix, and examples."""

from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Kind:
    """Describe a kind of finding."""

    severity: Severity
    title: str
    fix: str  # a setting or a command


DROP = "remove these pairs with `nmt clean`"
APART = (
    "remove them from the training text; `nmt init SOURCE TARGET --dev ... --test ...` does so;"
    " `nmt split` makes sets without overlap"
)

KINDS = {
    "encoding": Kind(
        "error",
        "lines that are not UTF-8",
        "if the whole file has another encoding, convert it, for example with"
        " `iconv -f WINDOWS-1252 -t UTF-8 FILE`; if only some lines are in another encoding,"
        " remove them with `nmt clean`; training stops at such a line",
    ),
    "line_counts": Kind(
        "error",
        "lines without a counterpart",
        "give both files the same number of lines; training needs line N of one file to be the"
        " translation of line N of the other",
    ),
    "no_tab": Kind(
        "error",
        "lines without a tab",
        "write a tab between source and target, or delete the lines; training stops at such a line",
    ),
    "no_pairs": Kind("error", "no pair with text on both sides", "give other files"),
    "slip": Kind(
        "error",
        "places where the files slip",
        "compare the files around these lines, and add or delete the line that one of them lacks",
    ),
    "unrelated": Kind(
        "warning",
        "pairs in stretches where the sides do not seem to belong together",
        "compare the files there, and delete the stretches that are not translations; if a file was"
        " sorted or shuffled, take the original one; if they do belong together, as questions and"
        " answers do, `nmt init` writes a recipe that trains",
    ),
    "overlap": Kind(
        "warning",
        "segments of a dev or test set that are in the training text",
        APART,
    ),
    "near_overlap": Kind(
        "warning",
        "segments of a dev or test set that differ from a training source only in case,"
        " punctuation, spaces or digits",
        APART,
    ),
    "empty": Kind(
        "warning", "pairs with an empty side", f"nothing: `nmt prepare` drops them; or {DROP}"
    ),
    "replacement": Kind(
        "warning",
        "pairs with U+FFFD, where characters were lost",
        f"convert the original file again, with the right encoding; or {DROP}",
    ),
    "control": Kind(
        "warning",
        "pairs with control characters",
        "`nmt clean` removes the characters; if U+000D ends lines, convert the file first:"
        " tr '\\r' '\\n'",
    ),
    "invisible": Kind(
        "warning",
        "pairs with zero-width or text-direction characters",
        "`nmt clean` removes the characters; to a model, a word with such a character is another"
        " word",
    ),
    "mojibake": Kind(
        "warning",
        "pairs with UTF-8 that was read in another encoding",
        f"`nmt clean --ftfy` repairs the text; or {DROP}",
    ),
    "markup": Kind(
        "warning",
        "pairs with HTML: tags or character references",
        "extract the text again with an HTML parser, unless the model should translate markup;"
        f" or {DROP}",
    ),
    "too_long": Kind(
        "warning",
        "pairs with a very long side",
        f"divide them into sentences, or {DROP}; `nmt prepare` drops those above data.max_length",
    ),
    "copied": Kind(
        "warning",
        "pairs whose target equals the source",
        f"{DROP} unless they are names; a model learns to copy",
    ),
    "script": Kind("warning", "pairs with a side in another script", DROP),
    "language": Kind(
        "warning", "pairs with a side in the other side's language", f"swap their sides, or {DROP}"
    ),
    "other_language": Kind(
        "warning",
        "pairs of the sample in a third language",
        "remove them with `nmt clean --also other_language`",
    ),
    "declared_language": Kind(
        "warning",
        "sides whose language is not the stated one",
        "swap the files, or correct their names, or data.source_language and data.target_language"
        " of the recipe",
    ),
    "length_ratio": Kind(
        "warning",
        "pairs whose lengths do not fit",
        f"{DROP}; --limit max_deviation=VALUE changes what is found",
    ),
    "unknown_characters": Kind(
        "warning",
        "pairs with characters outside the vocabulary",
        "set tokenizer.byte_fallback = true, or raise tokenizer.character_coverage",
    ),
    "rare_characters": Kind(
        "note",
        "pairs of the sample with a character that is in one or two of them",
        "nothing if they are names; with tokenizer.byte_fallback = true, rare characters take no"
        " place in the vocabulary",
    ),
    "duplicates": Kind("note", "pairs that repeat an earlier pair", f"{DROP}; a few do no harm"),
    "near_duplicates": Kind(
        "note",
        "pairs that repeat an earlier pair, apart from case, punctuation, spaces and digits",
        f"{DROP}; a few do no harm",
    ),
    "several_targets": Kind(
        "note",
        "pairs whose source has another target elsewhere",
        "nothing: several translations of a sentence are normal, if they are translations",
    ),
    "several_sources": Kind(
        "note",
        "pairs whose target has another source elsewhere",
        "nothing, unless one target stands for many sources, such as a message of a program",
    ),
    "pieces": Kind(
        "warning",
        "sides whose words are spelled in many small pieces",
        "raise tokenizer.vocab_size, or learn the vocabulary from this text",
    ),
}


SHOWN = 3  # examples of each finding
LONGEST_SHOWN = 160  # characters of a segment in an example


@dataclass(frozen=True)
class Example:
    """A place where something was found."""

    line: int  # counted from 1
    detail: str = ""  # what is wrong there, if the kind does not say it all
    source: str = ""  # shortened
    target: str = ""

    def with_texts(self, source: str, target: str) -> "Example":
        """Return the example with the segments of its line, shortened."""
        return replace(self, source=shortened(source), target=shortened(target))


@dataclass(frozen=True)
class Finding:
    """One kind of fault in a text."""

    kind: str
    severity: Severity
    title: str  # what is counted
    count: int
    of: int  # pairs that were looked at
    examples: tuple[Example, ...]
    fix: str  # a setting or a command

    @property
    def percent(self) -> float:
        """Share of the pairs in percent."""
        return 100 * self.count / max(1, self.of)


def found(
    kind: str,
    count: int,
    of: int,
    examples: tuple[Example, ...] | list[Example] = (),
    *,
    severity: Severity | None = None,
    title: str = "",
) -> list[Finding]:
    """Return a finding of a kind, if there is something to count.

    severity, title: in place of the kind's own.
    """
    if not count:
        return []
    known = KINDS[kind]
    return [
        Finding(
            kind,
            severity or known.severity,
            title or known.title,
            count,
            of,
            tuple(examples[:SHOWN]),
            known.fix,
        )
    ]


def shortened(text: str) -> str:
    """Return the start of a text."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}\u2026"
