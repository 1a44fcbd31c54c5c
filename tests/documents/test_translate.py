"""Documents are translated by a stand-in for a model, which writes words in capitals."""

from collections.abc import Sequence

from nmt.decoding.translator.marked import Marked, joined
from nmt.documents.document import Options, Segment, SourceDocument
from nmt.documents.encoding import UTF_8
from nmt.documents.translate import CHUNK, DocumentTranslator, Placed

OPTIONS = Options("en", "de")


def capitals(sentences: Sequence[Marked]) -> list[Placed]:
    """Return sentences with everything but their marks in capitals."""
    return [Placed(upper(each)) for each in sentences]


def upper(text: Marked) -> Marked:
    pieces: list[Marked] = []
    end = 0
    for mark in text.marks:
        pieces += Marked(text.text[end : mark.begin].upper()), text.slice(mark.begin, mark.end)
        end = mark.end
    return joined([*pieces, Marked(text.text[end:].upper())])


def document(*segments: Segment) -> SourceDocument:
    source, begin = "\n".join(each.source.text for each in segments), 0
    found = SourceDocument(source.encode(), source, UTF_8)
    for each in segments:
        end = begin + len(each.source.text)
        found.fill(begin, end, found.add(each), lambda translation: translation.text)
        begin = end + 1
    return found


def translated(*segments: Segment) -> list[str]:
    (found,) = DocumentTranslator(capitals, OPTIONS).translate([("file", document(*segments))])
    return [each.text.text for each in found.results]


def test_only_headings_are_read_as_sentences() -> None:
    seen: list[Marked] = []

    def count(sentences: Sequence[Marked]) -> list[Placed]:
        seen.extend(sentences)
        return capitals(sentences)

    texts = [Segment(Marked("Many Files")), Segment(Marked("Getting Started"), is_heading=True)]
    assert [*DocumentTranslator(count, OPTIONS).translate([("a", document(*texts))])]
    assert [sentence.text for sentence in seen] == ["Many Files", "Getting started"]


def test_texts_without_words_stay() -> None:
    assert translated(Segment(Marked("12 / 3")), Segment(Marked("%"))) == ["12 / 3", "%"]


def test_equal_sentences_are_translated_once() -> None:
    seen: list[Marked] = []

    def count(sentences: Sequence[Marked]) -> list[Placed]:
        seen.extend(sentences)
        return capitals(sentences)

    texts = [Segment(Marked("One two. Three four.")), Segment(Marked("Three four."))]
    documents = [("a", document(*texts)), ("b", document(*texts))]
    found = [*DocumentTranslator(count, OPTIONS).translate(documents)]
    assert [each.item for each in found] == ["a", "b"]
    assert [each.text for each in seen] == ["One two.", "Three four."]


def test_progress_has_a_total_and_reaches_it() -> None:
    """The total is estimated from the documents that were read; what is tried twice counts once."""
    seen: list[tuple[int, int]] = []

    def twice(sentences: Sequence[Marked]) -> list[Placed]:
        for _ in range(2):
            translator.advance(len(sentences))
        return capitals(sentences)

    translator = DocumentTranslator(
        twice, OPTIONS, on_progress=lambda done, total: seen.append((done, total))
    )
    texts = [[Segment(Marked(f"Sun {name} {line}.")) for line in range(CHUNK)] for name in "abc"]
    documents = [(str(name), document(*own)) for name, own in enumerate(texts)]
    assert len([*translator.translate(documents, 3)]) == 3
    assert seen == sorted(seen)
    assert seen[0] == (0, 3 * CHUNK)
    assert seen[-1] == (3 * CHUNK, 3 * CHUNK)


def test_many_documents_come_in_order() -> None:
    """Some have more sentences than are translated at once, some have none."""
    sizes = [0, 3, CHUNK + 5, 1, 0]
    documents = [
        (size, document(*(Segment(Marked(f"word {n} of {size}")) for n in range(size))))
        for size in sizes
    ]
    found = [*DocumentTranslator(capitals, OPTIONS).translate(documents)]
    assert [(each.item, len(each.results)) for each in found] == [(n, n) for n in sizes]
    for each in found:
        assert [result.text.text for result in each.results] == [
            result.segment.source.text.upper() for result in each.results
        ]
