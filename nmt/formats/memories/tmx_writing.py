"""Write translation memories: TMX 1.4b (`tmx`)."""

from collections.abc import Iterable
from pathlib import Path

from nmt.decoding.marks.marked import Kind, Marked
from nmt.formats.memories.tmx import CONTEXT, TEXT, Unit
from nmt.formats.xml.text import FORBIDDEN, escape_attribute, escape_text
from nmt.system.atomic import atomic_path

UNKNOWN = "und"  # the code of a language that is not known


def write_units(
    path: Path, units: Iterable[Unit], source_language: str, target_language: str
) -> None:
    """Write a memory, whole or not at all.

    Units with characters that XML cannot hold are left out.
    """
    source, target = source_language or UNKNOWN, target_language or UNKNOWN
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
            '<tmx version="1.4">\n'
            f'<header creationtool="nmt" creationtoolversion="{version()}" segtype="block"'
            f' o-tmf="nmt" adminlang="en" srclang="{escape_attribute(source)}"'
            ' datatype="plaintext"/>\n<body>\n'
        )
        file.writelines(written(unit, source, target) for unit in units if is_writable(unit))
        file.write("</body>\n</tmx>\n")


def version() -> str:
    """Return the version of this program."""
    from nmt import __version__

    return __version__


def is_writable(unit: Unit) -> bool:
    """Return whether XML can hold all characters of a unit."""
    texts = (unit.source.text, unit.target.text, unit.context, unit.origin)
    return not any(map(FORBIDDEN.search, texts))


def written(unit: Unit, source_language: str, target_language: str) -> str:
    """Return a unit as TMX."""
    note = f"<note>{escape_text(unit.origin)}</note>\n" if unit.origin else ""
    context = escape_text(unit.context)
    prop = f'<prop type="{CONTEXT}">{context}</prop>\n' if unit.context else ""
    numbers = {text: number for number, text in enumerate(unit.source.mark_texts(), 1)}
    source, target = seg(unit.source, numbers), seg(unit.target, numbers)
    return (
        f"<tu>\n{note}{prop}"
        f'<tuv xml:lang="{escape_attribute(source_language)}"><seg>{source}</seg></tuv>\n'
        f'<tuv xml:lang="{escape_attribute(target_language)}"><seg>{target}</seg></tuv>\n</tu>\n'
    )


def seg(text: Marked, numbers: dict[str, int]) -> str:
    """Return a text as the content of <seg>; numbers: of the marks of the source, by their texts.

    Equal marks of source and target have the same `x`; the tags of a pair have the same `i`.
    """
    pairs = text.partners()
    parts = []
    number = 0
    for part, is_mark in text.parts():
        escaped = escape_text(part)
        if not is_mark:
            parts.append(escaped)
            continue
        mark = text.marks[number]
        x = f' x="{numbers[part]}"' if part in numbers else ""
        pair = min(number, pairs.get(number, number)) + 1
        if mark.kind is Kind.ALONE:
            kind = f' type="{TEXT}"' if mark.is_text else ""
            parts.append(f"<ph{x}{kind}>{escaped}</ph>")
        elif number not in pairs:
            position = "begin" if mark.kind is Kind.OPEN else "end"
            parts.append(f'<it pos="{position}"{x}>{escaped}</it>')
        elif mark.kind is Kind.OPEN:
            parts.append(f'<bpt i="{pair}"{x}>{escaped}</bpt>')
        else:
            parts.append(f'<ept i="{pair}">{escaped}</ept>')
        number += 1
    return "".join(parts)
