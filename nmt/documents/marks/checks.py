"""Check that a translation keeps the marks and the numbers of its source."""

import re
from collections import Counter
from collections.abc import Iterable

from nmt.decoding.files.quality import number_differences
from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.marks.never_text import STATEMENT, find

OF_PERCENT = {"printf", "python", "objc"}  # syntaxes in which "%" alone is an error
OF_BRACES = {"brace", "icu"}
WORDLIKE = re.compile(r"\w")


def pattern_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Return what matches each of some texts; the longest first."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=lambda each: (-len(each), each)))))


def mark_problems(source: Marked, translation: Marked) -> tuple[str, ...]:
    """Return what is wrong with the marks of a translation, as sentences without their ends."""
    problems = []
    if source.without_marks().strip() and not translation.without_marks().strip():
        problems.append("the translation is empty")
    asked, given = Counter(source.mark_texts()), Counter(translation.mark_texts())
    problems += [f"{mark} is missing" for mark in asked - given]
    problems += [f"{mark} occurs too often" for mark in given - asked]
    problems += [f"{mark} occurs too often" for mark in repeated(source, translation)]
    if asked == given and pairs_of(source) != pairs_of(translation):
        problems.append("the tags are not paired as in the source")
    if asked == given and statements(source) != statements(translation):
        problems.append("the statements of the template are in another order")
    problems += [f"{tag} encloses nothing" for tag in hollow(translation) - hollow(source)]
    return tuple(problems)


def statements(text: Marked) -> list[str]:
    """Return the marks that are statements of a template, such as {% else %}."""
    return [each for each in text.mark_texts() if STATEMENT.match(each)]


def repeated(source: Marked, translation: Marked) -> list[str]:
    """Return the marks that a translation has once more, as text, than its source."""
    texts = {each for each in source.mark_texts() if each}
    if not texts:
        return []
    pattern = pattern_of(texts)
    own, theirs = (
        Counter(
            found[0]
            for part, is_mark in each.parts()
            if not is_mark
            for found in pattern.finditer(part)
        )
        for each in (source, translation)
    )
    return [*(theirs - own)]


def pairs_of(text: Marked) -> Counter[tuple[str, str]]:
    """Return the texts of paired marks, and with "" those of tags that have no partner."""
    texts = text.mark_texts()
    found = text.partners()
    pairs: Counter[tuple[str, str]] = Counter()
    for number, mark in enumerate(text.marks):
        partner = found.get(number)
        if mark.kind is Kind.OPEN:
            pairs[texts[number], "" if partner is None else texts[partner]] += 1
        elif mark.kind is Kind.CLOSE and partner is None:
            pairs["", texts[number]] += 1
    return pairs


def hollow(text: Marked) -> Counter[str]:
    """Return the opening marks of pairs with nothing but white space and other tags inside."""
    texts = text.mark_texts()
    found = text.partners()
    hollow: Counter[str] = Counter()
    for number, mark in enumerate(text.marks):
        partner = found.get(number, -1)
        if partner > number:
            inside = text.slice(mark.end, text.marks[partner].begin)
            alone = any(each.kind is Kind.ALONE for each in inside.marks)
            if not alone and not inside.without_marks().strip():
                hollow[texts[number]] += 1
    return hollow


def number_problems(source: Marked, translation: Marked) -> tuple[str, ...]:
    """Return which numbers only one side has, as sentences without their ends."""
    missing, added = number_differences(apart(source), apart(translation))
    problems = [f"the number {each} is missing" for each in missing]
    return (*problems, *(f"the number {each} is not in the source" for each in added))


def added_placeholders(
    source: Marked, translation: Marked, syntax: frozenset[str]
) -> tuple[str, ...]:
    """Return what a program takes for a placeholder, though the source has none such.

    syntax: names of `placeholders.SYNTAXES`; without one, no program reads the text.
    """
    own, theirs = apart(source), apart(translation)
    known = set(source.mark_texts())
    problems = []
    for mark in find(theirs, syntax - {"tags"}):
        text = theirs[mark.begin : mark.end]
        if text not in known and text not in own and set(text) & set("%{}$"):
            problems.append(f"{text} is not in the source")
    if problems:
        return (*dict.fromkeys(problems),)
    is_percent = syntax & OF_PERCENT and any(each.startswith("%") for each in known)
    signs = ("%" if is_percent else "") + ("{}" if syntax & OF_BRACES else "")
    added = (each for each in signs if theirs.count(each) > own.count(each))
    return tuple(
        f"a {each} is not in the source, and may be read as a placeholder" for each in added
    )


def apart(text: Marked) -> str:
    """Return the text between the marks, with a space in place of each that stands alone."""
    begin, parts = 0, []
    for mark in text.marks:
        parts += [text.text[begin : mark.begin], " " if mark.kind is Kind.ALONE else ""]
        begin = mark.end
    return "".join([*parts, text.text[begin:]])
