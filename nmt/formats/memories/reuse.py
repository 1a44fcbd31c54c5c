"""Fit the translation of a memory to a text that differs from its source in numbers and marks."""

from collections import Counter
from collections.abc import Sequence

from nmt.decoding.marks.marked import Mark, Marked
from nmt.formats.memories.similarity import NUMBER
from nmt.formats.memories.tmx import Unit
from nmt.formats.style.spacing import with_outer_space_of

SWAPPED = str.maketrans(".,", ",.")  # the decimal point of one language is the comma of another


def fitted(source: Marked, unit: Unit) -> Marked | None:
    """Return the translation of a unit with the numbers and the marks of a source.

    None if it cannot be done for certain: a mark has no place in it, or a number is written in
    another way.
    """
    target: Marked | None = unit.target
    if folded(source.text) != folded(unit.source.text):
        target = rewritten(source.of_format(), unit)
    target = target and with_marks(target, source)
    return target and with_outer_space_of(source, target)


def folded(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def rewritten(source: Marked, unit: Unit) -> Marked | None:
    """Return the target of a unit with the numbers and marks of a source in place of its own."""
    own, target = unit.source.of_format(), unit.target.of_format()
    numbers = new_numbers(numbers_of(own), numbers_of(source), numbers_of(target))
    places = matching_marks(own, target)
    if numbers is None or places is None or len(own.marks) != len(source.marks):
        return None
    texts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for part, is_mark in target.parts():
        text = part
        if is_mark:
            mark = source.marks[places[len(marks)]]
            text = source.text[mark.begin : mark.end]
            marks.append(Mark(length, length + len(text), mark.kind))
        else:
            text = NUMBER.sub(lambda found: numbers.get(found[0], found[0]), part)
        texts.append(text)
        length += len(text)
    return Marked("".join(texts), tuple(marks))


def numbers_of(text: Marked) -> list[str]:
    """Return the numbers outside the marks of a text."""
    parts = (NUMBER.findall(part) for part, is_mark in text.parts() if not is_mark)
    return [number for found in parts for number in found]


def new_numbers(
    own: Sequence[str], new: Sequence[str], target: Sequence[str]
) -> dict[str, str] | None:
    """Return what stands in a target in place of its numbers, from those of a source and another.

    None if a number that changes is not in the target as often, or becomes two different ones.
    """
    if len(own) != len(new):
        return None
    changed = dict(zip(own, new, strict=True))
    if any(changed[number] != other for number, other in zip(own, new, strict=True)):
        return None
    counts, in_target = Counter(own), Counter(target)
    found = {}
    for number, other in changed.items():
        if number == other:
            continue
        swapped = number.translate(SWAPPED)
        if in_target[number] == counts[number]:
            found[number] = other
        elif in_target[swapped] == counts[number]:
            found[swapped] = other.translate(SWAPPED)
        else:
            return None
    return found


def matching_marks(source: Marked, target: Marked) -> list[int] | None:
    """Return the number of the source's mark for each mark of a target.

    Equal texts match first, then marks of a kind in order. None if any mark is left.
    """
    if len(source.marks) != len(target.marks):
        return None
    left = dict(enumerate(zip(source.mark_texts(), source.marks, strict=True)))
    found: dict[int, int] = {}
    wanted = [*zip(target.mark_texts(), target.marks, strict=True)]
    for has_same_text in (True, False):
        for place, (text, mark) in enumerate(wanted):
            for number, (own_text, own) in left.items() if place not in found else ():
                if own.kind is mark.kind and (own_text == text or not has_same_text):
                    found[place] = number
                    del left[number]
                    break
    return [found[place] for place in range(len(wanted))] if not left else None


def with_marks(target: Marked, source: Marked) -> Marked | None:
    """Return a target whose marks are those of a source; None if one has no place in it.

    A mark that begins with a digit, such as 3.5 GB, may be written in another way.
    """
    wanted: dict[str, list[Mark]] = {}
    for text, mark in zip(source.mark_texts(), source.marks, strict=True):
        wanted.setdefault(text, []).append(mark)
    marks = []
    for text, mark in zip(target.mark_texts(), target.marks, strict=True):
        if wanted.get(text):
            marks.append(wanted[text].pop(0)._replace(begin=mark.begin, end=mark.end))
    for text, missing in wanted.items():
        begin = 0
        for mark in missing:
            begin = free_place(target.text, text, begin, marks)
            if begin < 0:
                if mark.is_text and text[:1].isdigit():
                    break
                return None
            marks.append(mark._replace(begin=begin, end=begin + len(text)))
            begin += len(text)
    return Marked(target.text, tuple(sorted(marks)))


def free_place(text: str, wanted: str, begin: int, marks: Sequence[Mark]) -> int:
    """Return where a text has another one outside of some marks, from a place on; else -1."""
    while (begin := text.find(wanted, begin)) >= 0:
        end = begin + len(wanted)
        within = [each for each in marks if each.begin < end and begin < each.end]
        if not within:
            return begin
        begin = within[-1].end
    return -1
