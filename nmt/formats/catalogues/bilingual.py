"""Formats with a source and a target for each message: a message becomes segments and one text.

Catalogues (`po`), XLIFF and Qt's files share this: lines of a message, accelerators, and what to
say if a file is for another language than the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nmt.decoding.marks.marked import Marked
from nmt.formats.catalogues.accelerators import Accelerator, put_in, taken_out
from nmt.formats.catalogues.message import Message
from nmt.formats.document import NO_SYNTAX, Finding, Options, Segment
from nmt.formats.marking.placeholders import with_placeholders
from nmt.text.languages import english_name


@dataclass(frozen=True)
class Slot:
    """A text that a target is made of: its segments are consecutive."""

    source: Marked
    message: Message
    first: int  # number of its first segment
    accelerator: Accelerator | None
    syntax: frozenset[str]  # of its placeholders
    language: str  # of the translations

    def filled(self, translations: Sequence[Marked | None]) -> Marked | None:
        """Return the text with the translations of its segments; None if it has none."""
        own = translations[self.first : self.first + len(self.message.parts)]
        if all(each is None for each in own):
            return None
        text = self.message.join(own)
        if self.accelerator is None:
            return text
        known = with_placeholders(text.of_format(), self.syntax)  # no letter of theirs
        return put_in(known, self.accelerator, self.language)


@dataclass
class Slots:
    """The segments of a file, collected in order."""

    options: Options
    segments: list[Segment] = field(default_factory=list)

    def add(
        self,
        source: Marked,
        place: str,
        context: str = "",
        syntax: frozenset[str] = NO_SYNTAX,
    ) -> Slot:
        """Add the segments of a text."""
        labelled = taken_out(source)
        message = Message.of(labelled.text)
        accelerator = labelled.accelerator if len(message.parts) == 1 else None
        if accelerator is None:
            message = Message.of(source)
        language = self.options.target_language
        slot = Slot(source, message, len(self.segments), accelerator, syntax, language)
        for text in message.texts():
            self.segments.append(Segment(text, place, context, syntax=syntax))
        return slot


def wrong_language(stated: str, wanted: str, place: str) -> list[Finding]:
    """Return what to say if a file states another target language than the model's."""
    language, expected = (
        each.replace("_", "-").partition("-")[0].lower() for each in (stated, wanted)
    )
    if not language or not expected or language == expected:
        return []
    return [
        Finding(
            place,
            f"the file is for {english_name(language)}, but the translations are in"
            f" {english_name(expected)}",
        )
    ]
