"""Place the terms of a glossary: if it is possible, for which parts, and whether it was done."""

from collections.abc import Callable, Sequence

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.glossary import Entry
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.line_notes import LineNotes
from nmt.decoding.segments import EncodedSegments, Part
from nmt.decoding.translation import Translation
from nmt.errors import UsageError


def check_glossary(
    glossary: Sequence[Entry], settings: DecodeSettings, model: ModelSettings
) -> None:
    """Raise UsageError if there is a glossary whose terms cannot be placed in a model's outputs."""
    if not glossary:
        return
    if settings.method == "sample":
        raise UsageError(
            "terms of a glossary are placed by beam search, not in samples; leave out the glossary"
            " (--glossary), or do not sample (--sample)"
        )
    if model.is_right_to_left:
        raise UsageError(
            "a right-to-left model cannot place the terms of a glossary, because it writes the last"
            " token first; leave out the glossary (--glossary), or choose another model (--model)"
        )


def search_apart(
    search: Callable[[Sequence[Part]], list[list[Hypothesis]]], parts: Sequence[Part]
) -> list[list[Hypothesis]]:
    """Search a batch: the parts with terms and those without one after the other.

    search: returns the n best hypotheses of each part of a batch.
    """
    found: dict[int, list[Hypothesis]] = {}
    for has_terms in (True, False):
        places = [place for place, part in enumerate(parts) if bool(part.terms) == has_terms]
        if places:
            found |= zip(places, search([parts[place] for place in places]), strict=True)
    return [found[place] for place in range(len(parts))]


def note_missing_terms(
    encoded: EncodedSegments,
    translations: Sequence[Translation],
    first_line: int,
    notes: LineNotes,
) -> None:
    """Note the lines whose best translation lacks a term that its segment asks for."""
    for index, parts in enumerate(encoded.segments):
        for term in dict.fromkeys(term for each in parts for term in encoded.parts[each].terms):
            if not term.is_in(translations[index].text):
                notes.add_missing(first_line + index, term.source)
