"""Check that a translation keeps the marks and the numbers of its source."""

import re
from collections import Counter

from nmt.decoding.files.quality import number_differences
from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.marks.never_text import STATEMENT, find

OF_PERCENT = {"printf", "python", "objc"}  # syntaxes in which "%" alone is an error
OF_BRACES = {"brace", "icu"}


def mark_problems(source: Marked, translation: Marked) -> tuple[str, ...]:
    """Return what is wrong with the marks of a translation, as sentences without their ends."""
    problems = []
    if source.without_marks().strip() and not translation.without_marks().strip():
        problems.append("the translation is empty")
    asked, given = Counter(source.mark_texts()), Counter(translation.mark_texts())
    problems += [f"{mark} is missing" for mark in asked - given]
    problems += [f"{mark} occurs too often" for mark in given - asked]
    problems += [f"{mark} occurs too often" for mark in repeated(source, translation)]
    if asked == given and read_pairs(source) != read_pairs(translation):
        problems.append("the tags are not paired as in the source")
    if asked == given and statements(source) != statements(translation):
        problems.append("the statements of the template are in another order")
    problems += [f"{tag} encloses nothing" for tag in hollow(translation) - hollow(source)]
    return tuple(problems)


def statements(text: Marked) -> list[str]:
    """Return the marks that are statements of a template, such as {% else %}."""
    return [*filter(STATEMENT.match, text.mark_texts())]


def repeated(source: Marked, translation: Marked) -> list[str]:
    """Return the marks that a translation has once more, as text, than its source."""
    texts = sorted({*source.mark_texts()} - {""}, key=lambda text: (-len(text), text))
    if not texts:
        return []
    pattern = re.compile("|".join(map(re.escape, texts)))  # the longest first
    own, theirs = (
        Counter(
            found
            for part, mark in text.parts()
            for found in (() if mark else pattern.findall(part))
        )
        for text in (source, translation)
    )
    return [*(theirs - own)]


def read_pairs(text: Marked) -> Counter[tuple[str, str]]:
    """Return the texts of paired marks, and with "" those of tags that have no partner."""
    texts, partners = [*text.mark_texts(), ""], text.partners()
    pairs: Counter[tuple[str, str]] = Counter()
    for number, mark in enumerate(text.marks):
        partner = partners.get(number, -1)
        if mark.kind is Kind.OPEN:
            pairs[texts[number], texts[partner]] += 1
        elif mark.kind is Kind.CLOSE and partner < 0:
            pairs["", texts[number]] += 1
    return pairs


def hollow(text: Marked) -> Counter[str]:
    """Return the opening marks of pairs with nothing but white space and other tags inside."""
    contents, end = [0], 0  # how many texts and marks that stand alone begin before each mark
    for mark in text.marks:
        is_text = bool(text.text[end : mark.begin].strip())
        contents[-1] += is_text
        contents.append(contents[-1] + (mark.kind is Kind.ALONE))
        end = mark.end
    texts = text.mark_texts()
    return Counter(
        texts[number]
        for number, partner in text.partners().items()
        if partner > number and contents[partner] == contents[number]
    )


def number_problems(source: Marked, translation: Marked) -> tuple[str, ...]:
    """Return which numbers only one side has, as sentences without their ends."""
    missing, added = number_differences(apart(source), apart(translation))
    problems = [f"the number {number} is missing" for number in missing]
    return (*problems, *(f"the number {number} is not in the source" for number in added))


def added_placeholders(
    source: Marked, translation: Marked, syntax: frozenset[str]
) -> tuple[str, ...]:
    """Return what a program takes for a placeholder, though the source has none such.

    syntax: names of `never_text.SYNTAXES`; without one, no program reads the text.
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
    is_percent = syntax & OF_PERCENT and any(text.startswith("%") for text in known)
    signs = ("%" if is_percent else "") + ("{}" if syntax & OF_BRACES else "")
    added = (sign for sign in signs if theirs.count(sign) > own.count(sign))
    return tuple(
        f"a {sign} is not in the source, and may be read as a placeholder" for sign in added
    )


def apart(text: Marked) -> str:
    """Return the text between the marks, with a space in place of each that stands alone."""
    return "".join(
        part if mark is None else " " if mark.kind is Kind.ALONE else ""
        for part, mark in text.parts()
    )
