"""Join the parts of fields: what a word processor computes, such as page numbers, stays whole.

A field of WordprocessingML is a beginning, an instruction, a separator, its last result and an end,
each in a run. The result of a link is text like any; that of other fields is not translated.
"""

from nmt.decoding.marks.marked import Kind
from nmt.formats.office.rich_parts import Part, xml_of

BEGIN, SEPARATE, END = "begin", "separate", "end"  # roles of parts
INSTRUCTION = "instruction:"  # followed by its text
DEEPEST = 50  # fields within each other
# Fields whose result is text of the author.
TRANSLATED = frozenset({"HYPERLINK", "TOC", "INDEX"})


def is_translated(instruction: str) -> bool:
    """Return whether the result of a field is text of the author, from its instruction."""
    words = instruction.split(maxsplit=1)
    return bool(words) and words[0].upper() in TRANSLATED


def with_fields(parts: list[Part]) -> list[Part]:
    """Return the parts with each whole field as one mark, and links as a pair of marks.

    Fields that begin or end in another paragraph, or within another element, stay in parts.
    """
    result: list[Part] = []
    begins: list[list[int]] = [[]]  # places of beginnings in each element that is open
    for part in parts:
        if part.kind is Kind.OPEN:
            begins.append([])
        elif part.kind is Kind.CLOSE:
            begins.pop()
        elif part.role == BEGIN and len(begins[-1]) < DEEPEST:
            begins[-1].append(len(result))
        elif part.role == END and begins[-1]:
            begin = begins[-1].pop()
            result[begin:] = field_of([*result[begin:], part])
            continue
        result.append(part)
    return result


def field_of(parts: list[Part]) -> list[Part]:
    """Return a field, from its beginning to its end, as one mark; a link with its text."""
    instruction = "".join(each.role.removeprefix(INSTRUCTION) for each in parts if is_code(each))
    separators = [number for number, each in enumerate(parts) if each.role == SEPARATE]
    begin = separators[0] + 1 if separators else 0
    is_flat = all(each.kind is Kind.ALONE for each in parts[:begin])
    if begin and is_flat and is_translated(instruction):
        opening = Part(xml_of(parts[:begin]), Kind.OPEN)
        return [opening, *parts[begin:-1], Part(parts[-1].xml, Kind.CLOSE)]
    # A field without a result is a mark of the index, which shows nothing.
    return [Part(xml_of(parts), Kind.ALONE, is_edge=not separators)]


def is_code(part: Part) -> bool:
    """Return whether a part is an instruction."""
    return part.role.startswith(INSTRUCTION)
