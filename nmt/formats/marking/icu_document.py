"""Documents with messages of ICU: what a plural or a choice says is translated text by text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Document, Finding, Joined, Options, Segment
from nmt.formats.marking.icu import IcuMessage

ICU = "icu"  # the name of the syntax


def taken_apart(document: Document, options: Options) -> Document:
    """Return a document whose segments are the texts in its messages, if it has such messages.

    One plural or choice shows that the messages of a document are those of ICU: the syntax alone
    may say that they could be.
    """
    messages = {
        number: IcuMessage.of(each.source)
        for number, each in enumerate(document.segments)
        if ICU in each.syntax
    }
    if not any(each.parts for each in messages.values()):
        return document
    return IcuDocument.of(document, messages, options.target_language)


@dataclass(frozen=True)
class IcuDocument:
    """A document, with the texts in its messages as segments."""

    document: Document
    messages: dict[int, IcuMessage]  # by the number of the segment
    segments: list[Segment]
    language: str  # the target

    @classmethod
    def of(
        cls, document: Document, messages: dict[int, IcuMessage], language: str
    ) -> "IcuDocument":
        """Make a segment of each text."""
        segments: list[Segment] = []
        for number, segment in enumerate(document.segments):
            if number in messages:
                segments += (replace(segment, source=each) for each in messages[number].texts())
            else:
                segments.append(segment)
        return cls(document, messages, segments, language)

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each text; see `Document.join`."""
        remaining = iter(zip(self.segments, translations, strict=True))
        whole: list[Marked | None] = []
        findings: list[Finding] = []
        for number, segment in enumerate(self.document.segments):
            message = self.messages.get(number)
            if message is None:
                whole.append(next(remaining)[1])
                continue
            pairs = [next(remaining) for _ in message.texts()]
            texts = [own.source if text is None else text for own, text in pairs]
            whole.append(message.join(texts))
            if whole[-1] == segment.source:
                continue
            missing = message.missing_categories(self.language)
            if missing:
                findings.append(
                    Finding(
                        segment.place,
                        f"a plural has no {' and no '.join(missing)}, which {self.language} needs",
                    )
                )
        joined = self.document.join(whole)
        return Joined(joined.content, (*joined.findings, *findings))
