"""Name the faults of parallel text, and hold what was found.

`KINDS` is the one list of faults. `nmt check` reports those with a fix, and `nmt clean` removes the
pairs with those that are filters.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nmt.corpora.faults import detectors, segment
from nmt.corpora.faults.detectors import SIDES, CheckLimits, Find, Identify, Norms, in_side, in_text
from nmt.corpora.faults.segment import Segment

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Kind:
    """Describe a kind of fault."""

    title: str  # what is counted
    fix: str = ""  # a setting or a command; "": `nmt check` does not report this kind
    severity: Severity = "warning"
    find: Find | None = None  # None: it is not found by looking at one pair
    removal: Literal["always", "default", "optional"] = "default"  # by `nmt clean`
    limits: tuple[str, ...] = ()  # of `CheckLimits`, that only this kind uses
    is_relative: bool = False  # compares pairs with the scripts, words and lengths of the corpus


DROP = "remove these pairs with `nmt clean`"
APART = (
    "remove them from the training text; `nmt init SOURCE TARGET --dev ... --test ...` does so;"
    " `nmt split` makes sets without overlap"
)
EMPTY, UNREADABLE = "empty", "unreadable"
FEW = 5  # percent of bad lines; with more, the whole file has another encoding or form
OTHER_LANGUAGE, CROSS_ENTROPY = "other_language", "cross_entropy"

# Faults of pairs, in the order in which `nmt clean` applies them as filters; a pair counts for the
# first one that removes it.
FAULTS = {
    UNREADABLE: Kind(
        "pairs with a line that is not UTF-8, is longer than 10 MB or has no tab, and broken units",
        removal="always",
    ),
    # Such a pair has no other fault.
    EMPTY: Kind(
        "pairs with an empty side",
        f"nothing: `nmt prepare` drops them; or {DROP}",
        find=detectors.empty_side,
        removal="always",
    ),
    "replacement": Kind(
        "pairs with U+FFFD, where characters were lost",
        f"convert the original file again, with the right encoding; or {DROP}",
        find=in_text(lambda text: "U+FFFD" if "\ufffd" in text else ""),
    ),
    # Before the next two: its control characters are parts of letters.
    "mojibake": Kind(
        "pairs with UTF-8 that was read in another encoding",
        f"`nmt clean --ftfy` repairs the text; or {DROP}",
        find=in_text(segment.garbled_text),
    ),
    "control": Kind(
        "pairs with control characters",
        "`nmt clean` removes the characters; if U+000D ends lines, convert the file first:"
        " tr '\\r' '\\n'",
        find=in_text(segment.control_character),
    ),
    "invisible": Kind(
        "pairs with zero-width or text-direction characters",
        "`nmt clean` removes the characters; to a model, a word with such a character is another"
        " word",
        find=in_text(segment.invisible_character),
    ),
    "markup": Kind(
        "pairs with HTML: tags or character references",
        "extract the text again with an HTML parser, unless the model should translate markup;"
        f" or {DROP}",
        find=in_text(segment.markup),
    ),
    "too_long": Kind(
        "pairs with a very long side",
        f"divide them into sentences, or {DROP}; `nmt prepare` drops those above data.max_length",
        find=in_side(detectors.too_long),
    ),
    "copied": Kind(
        "pairs whose target equals the source",
        f"{DROP} unless they are names; a model learns to copy",
        find=detectors.copied,
    ),
    "script": Kind(
        "pairs with a side in another script",
        DROP,
        find=detectors.wrong_script,
        limits=("foreign_share", "usual_share"),
        is_relative=True,
    ),
    "language": Kind(
        "pairs with a side in the other side's language",
        f"swap their sides, or {DROP}",
        find=detectors.wrong_language,
        limits=("language_evidence",),
        is_relative=True,
    ),
    "length_ratio": Kind(
        "pairs whose lengths do not fit",
        f"{DROP}; --limit max_deviation=VALUE changes what is found",
        find=detectors.odd_length,
        limits=("max_deviation",),
        is_relative=True,
    ),
    OTHER_LANGUAGE: Kind(
        "pairs with a side in a third language",
        "remove them with `nmt clean --also other_language`",
        find=detectors.third_language,
        removal="optional",
        limits=("language_probability", "language_characters", "language_sample"),
    ),
    "numbers": Kind("pairs whose numbers differ", find=detectors.other_numbers, removal="optional"),
    "question": Kind(
        "pairs of which only one side ends as a question",
        find=detectors.one_question,
        removal="optional",
    ),
    "long_word": Kind(
        "pairs with a very long word, such as a web address",
        find=in_side(detectors.long_word),
        removal="optional",
        limits=("most_word_characters",),
    ),
    "few_letters": Kind(
        "pairs with a side that is mostly digits and signs",
        find=in_side(detectors.few_letters),
        removal="optional",
        limits=("least_letters",),
    ),
    "repetitive": Kind(
        "pairs with a side that repeats a few words",
        find=in_side(detectors.repetitive),
        removal="optional",
    ),
    "duplicates": Kind(
        "pairs that repeat an earlier pair",
        f"{DROP}; a few do no harm",
        "note",
        limits=("repeated_share", "useless_share"),
    ),
    "near_duplicates": Kind(
        "pairs that repeat an earlier pair, apart from case, punctuation, spaces and digits",
        f"{DROP}; a few do no harm",
        "note",
    ),
}
KINDS = {
    **FAULTS,
    "encoding": Kind(
        "lines that are not UTF-8",
        "if the whole file has another encoding, convert it, for example with"
        " `iconv -f WINDOWS-1252 -t UTF-8 FILE`; if only some lines are in another encoding,"
        " remove them with `nmt clean`; training stops at such a line",
        "error",
    ),
    "broken_unit": Kind(
        "units of the file that cannot be read",
        "correct the file at these lines, or leave the units out with `nmt clean`; training stops"
        " at such a unit",
        "error",
    ),
    "line_counts": Kind(
        "lines without a counterpart",
        "give both files the same number of lines; training needs line N of one file to be the"
        " translation of line N of the other",
        "error",
    ),
    "no_tab": Kind(
        "lines without a tab",
        "write a tab between source and target, or delete the lines; training stops at such a line",
        "error",
    ),
    "no_pairs": Kind("no pair with text on both sides", "give other files", "error"),
    "slip": Kind(
        "places where the files slip",
        "compare the files around these lines, and add or delete the line that one of them lacks",
        "error",
        limits=("slip_evidence",),
    ),
    "unrelated": Kind(
        "pairs in stretches where the sides do not seem to belong together",
        "compare the files there, and delete the stretches that are not translations; if a file was"
        " sorted or shuffled, take the original one; if they do belong together, as questions and"
        " answers do, `nmt init` writes a recipe that trains",
        limits=("unrelated_share",),
    ),
    "overlap": Kind(
        "segments of a dev or test set that are in the training text",
        APART,
        limits=("overlap_share",),
    ),
    "near_overlap": Kind(
        "segments of a dev or test set that differ from a training source only in case,"
        " punctuation, spaces or digits",
        APART,
    ),
    # Such pairs are removed only with models.
    CROSS_ENTROPY: Kind("pairs that two models find improbable or disagree about"),
    "declared_language": Kind(
        "sides whose language is not the stated one",
        "swap the files, or correct their names, or data.source_language and data.target_language"
        " of the recipe",
    ),
    "unknown_characters": Kind(
        "pairs with characters outside the vocabulary",
        "set tokenizer.byte_fallback = true, or raise tokenizer.character_coverage",
        limits=("unknown_share",),
    ),
    "rare_characters": Kind(
        "pairs of the sample with a character that is in one or two of them",
        "nothing if they are names; with tokenizer.byte_fallback = true, rare characters take no"
        " place in the vocabulary",
        "note",
    ),
    "several_targets": Kind(
        "pairs whose source has another target elsewhere",
        "nothing: several translations of a sentence are normal, if they are translations",
        "note",
    ),
    "several_sources": Kind(
        "pairs whose target has another source elsewhere",
        "nothing, unless one target stands for many sources, such as a message of a program",
        "note",
    ),
    "pieces": Kind(
        "sides whose words are spelled in many small pieces",
        "raise tokenizer.vocab_size, or learn the vocabulary from this text",
        limits=("most_pieces",),
    ),
}
ALWAYS = [name for name, kind in FAULTS.items() if kind.removal == "always"]
FILTERS = tuple(name for name in FAULTS if name not in ALWAYS)
DEFAULT_FILTERS = tuple(name for name in FILTERS if FAULTS[name].removal == "default")
CHECKED = (*ALWAYS, *DEFAULT_FILTERS)  # what `nmt check` looks for in each pair


def unused_limits(filters: Container[str] | None = None) -> dict[str, str]:
    """Return the limits that have no effect, each with the reason.

    filters: of `nmt clean`; None: `nmt check` is asked about.
    """
    unused: dict[str, str] = {}
    for name, kind in KINDS.items():
        if filters is None:
            reason = "" if kind.fix else "it is for a filter of `nmt clean --also`"
        elif kind.find is None:
            reason = "it is for `nmt check`"
        else:
            reason = "" if name in filters else f"the filter {name} is off"
        if reason:
            unused |= dict.fromkeys(kind.limits, reason)
    return unused


def choose_detectors(names: Container[str]) -> dict[str, Find]:
    """Return the detectors among the kinds with these names, in their order."""
    return {name: kind.find for name, kind in FAULTS.items() if kind.find and name in names}


def faults(
    source: Segment, target: Segment, known: Mapping[str, Find], norms: Norms
) -> dict[str, str]:
    """Return the faults of a pair that these detectors find: a reason by kind."""
    reasons: dict[str, str] = {}
    for name, find in known.items():
        if reason := find(source, target, norms):
            reasons[name] = reason
            if name == EMPTY:
                break
    return reasons


SHOWN = 3  # examples of each finding
LONGEST_SHOWN = 160  # characters of a segment in an example


@dataclass(frozen=True)
class Example:
    """Tell where something was found."""

    line: int  # counted from 1
    detail: str = ""  # what is wrong there, if the kind does not say it all
    source: str = ""  # shortened
    target: str = ""

    def with_texts(self, source: str, target: str) -> "Example":
        """Return the example with the segments of its line, shortened."""
        source, target = (
            text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}\u2026"
            for text in (source, target)
        )
        return replace(self, source=source, target=target)


@dataclass(frozen=True)
class Finding:
    """Count the faults of one kind in a text."""

    kind: str
    severity: Severity
    title: str  # what is counted
    count: int
    of: int  # pairs that were looked at
    examples: tuple[Example, ...]
    fix: str  # a setting or a command

    @property
    def percent(self) -> float:
        """Return the share of the pairs in percent."""
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
    severity, title = severity or known.severity, title or known.title
    return [Finding(kind, severity, title, count, of, tuple(examples[:SHOWN]), known.fix)]


FEWEST_NAMED = 20  # segments that tell the usual language of a side


def other_languages(
    rows: Sequence[tuple[int, str, str]],
    declared: tuple[str, str],
    identify: Identify,
    limits: CheckLimits,
) -> list[Finding]:
    """Return the findings about the languages of a sample.

    rows: line numbers, sources and targets. declared: the languages that the recipe or the names of
    the files state; "" if unknown.
    """
    pairs = [row[1:] for row in rows]
    known = {text: identify(text) for pair in pairs for text in pair}.__getitem__
    usual = detectors.usual_languages(pairs, known)
    reasons: dict[int, str] = {}
    wrong = []
    for side, texts in enumerate(zip(*pairs, strict=True)):
        for index, text in enumerate(texts):
            if reason := detectors.foreign_language(text, side, usual, limits, known):
                reasons.setdefault(index, reason)
        own, stated = usual[side], declared[side]
        long = sum(len(text) >= limits.language_characters for text in texts)
        if stated and detectors.differs(own, stated) and long >= FEWEST_NAMED:
            wrong.append(Example(0, f"the {SIDES[side]} is {own}, not {stated}"))
    examples = [
        Example(rows[index][0], reason).with_texts(*rows[index][1:])
        for index, reason in [*reasons.items()][:SHOWN]
    ]
    title = "pairs of the sample in a third language"
    return [
        *found(OTHER_LANGUAGE, len(reasons), len(rows), examples, title=title),
        *found("declared_language", len(wrong), 2, wrong),
    ]
