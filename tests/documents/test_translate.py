"""Documents are translated by stand-ins for a model: sentences, segments, messages of ICU.

Sentences with marks are translated in one of several ways; what fails is flagged.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.placing import cut_spans, place_spans
from nmt.decoding.translator.translation import Candidate, Request, Translation
from nmt.documents.document import UTF_8, Document, Options, Segment, SourceDocument
from nmt.documents.marks.checks import mark_problems
from nmt.documents.marks.tags import with_changed_words
from nmt.documents.translate import (
    CHUNK,
    DocumentTranslator,
    IcuDocument,
    Translate,
    TranslatedSentence,
    taken_apart,
    translate_marked,
)
from nmt.text.reading.lines import FirstSegment
from tests.decoding.marking import marked
from tests.decoding.test_placing import random_marked

OPTIONS = Options("en", "de")


def capitals(sentences: Sequence[Marked]) -> list[TranslatedSentence]:
    return [TranslatedSentence(with_changed_words(sentence, str.upper)) for sentence in sentences]


class Counted:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, sentences: Sequence[Marked]) -> list[TranslatedSentence]:
        self.seen += [sentence.text for sentence in sentences]
        return capitals(sentences)


def document(*segments: Segment) -> SourceDocument:
    source, begin = "\n".join(segment.source.text for segment in segments), 0
    found = SourceDocument(source.encode(), source, UTF_8)
    for segment in segments:
        end = begin + len(segment.source.text)
        found.fill(begin, end, found.add(segment), lambda translation: translation.text)
        begin = end + 1
    return found


def test_only_headings_are_read_as_sentences() -> None:
    count = Counted()
    texts = [Segment(Marked("Many Files")), Segment(Marked("Getting Started"), is_heading=True)]
    texts += [Segment(Marked("12 / 3")), Segment(Marked("%"))]  # without words
    (found,) = DocumentTranslator(count, OPTIONS).translate([("a", document(*texts))])
    assert count.seen == ["Many Files", "Getting started"]
    assert [result.text.text for result in found.results][2:] == ["12 / 3", "%"]


def test_equal_sentences_are_translated_once() -> None:
    count = Counted()
    texts = [Segment(Marked("One two. Three four.")), Segment(Marked("Three four."))]
    documents = [("a", document(*texts)), ("b", document(*texts))]
    found = [*DocumentTranslator(count, OPTIONS).translate(documents)]
    assert [translated.item for translated in found] == ["a", "b"]
    assert count.seen == ["One two.", "Three four."]


def test_in_context_each_sentence_has_a_translation_of_its_own() -> None:
    count, numbers = Counted(), iter(range(11))

    def translate_sentences(sentences: Sequence[Marked]) -> list[TranslatedSentence]:
        return [
            translated._replace(text=Marked(f"{next(numbers)}.")) for translated in count(sentences)
        ]

    texts = [Segment(Marked("One two. Three four.")), Segment(Marked("Three four."))]
    texts += [replace(texts[1], document="part"), replace(texts[1], document="part")]
    documents = [("a", document(*texts)), ("b", document()), ("c", document(*texts[:2]))]
    found = [
        *DocumentTranslator(translate_sentences, OPTIONS, in_context=True).translate(documents)
    ]
    own, three = ["One two.", "Three four.", "Three four.", ""], "Three four."
    assert count.seen == [*own, three, three, "", *own]
    assert [[result.text.text for result in translated.results] for translated in found] == [
        ["0. 1.", "2.", "4.", "5."],
        [],
        ["7. 8.", "9."],
    ]


def test_progress_has_a_total_and_reaches_it() -> None:
    """The total is estimated from the documents that were read; what is tried twice counts once.

    Documents in another language go on where the others ended.
    """
    seen: list[tuple[int, int]] = []

    def twice(sentences: Sequence[Marked]) -> list[TranslatedSentence]:
        for _ in range(2):
            translator.advance(len(sentences))
        return capitals(sentences)

    translator = DocumentTranslator(
        twice, OPTIONS, on_progress=lambda done, total: seen.append((done, total))
    )
    texts = [[Segment(Marked(f"Sun {name} {line}.")) for line in range(CHUNK)] for name in "abc"]
    documents = [(str(name), document(*own)) for name, own in enumerate(texts)]
    assert len([*translator.translate(documents[:2], 3)]) == 2
    translator.switch(replace(OPTIONS, target_language="fr", to="fr"))
    assert len([*translator.translate(documents[2:], 3)]) == 1
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
    assert [(whole.item, len(whole.results)) for whole in found] == [(n, n) for n in sizes]
    for result in (result for whole in found for result in whole.results):
        assert result.text.text == result.segment.source.text.upper()


FILES = "You have {n, plural, one {# file} other {# files}} in {place}."


def messages(*texts: str) -> Document:
    syntax = frozenset({"icu", "brace"})
    lines = enumerate(map(Marked, texts), 1)
    return document(*(Segment(text, f"line {line}", syntax=syntax) for line, text in lines))


def test_messages_are_translated_text_by_text() -> None:
    options = Options("en", "pl")
    (found,) = DocumentTranslator(capitals, options).translate([("a", messages(FILES, "It {x}"))])
    sources = [result.segment.source.text for result in found.results]
    assert sources == ["You have {n} in {place}.", "# file", "# files", "It {x}"]
    joined = found.document.join([result.text for result in found.results])
    assert joined.content.decode() == (
        "YOU HAVE {n, plural, one {# FILE} other {# FILES}} IN {place}.\nIT {x}"
    )
    (finding,) = joined.findings
    assert finding == ("line 1", "a plural has no few and no many, which pl needs")


def test_nothing_changes_if_nothing_is_translated() -> None:
    document = taken_apart(messages(FILES, "l''a"), Options("en", "pl"))
    assert isinstance(document, IcuDocument)
    sources = [segment.source.of_format() for segment in document.segments]
    for translations in ([None] * 4, sources):
        assert document.join(translations).content.decode() == f"{FILES}\nl''a"
        assert document.join(translations).findings == ()
    # Without choices, two apostrophes and braces may mean something else.
    plain = messages("l''a {n}", "{{x}}")
    assert taken_apart(plain, Options("en", "pl")) is plain


Answer = Callable[[Request], Sequence[str]]


def translated(
    answer: Answer, texts: Sequence[str], asked: list[list[str]]
) -> list[TranslatedSentence]:
    """Translate texts by a model of which a test says the candidates, marks included."""

    def candidates(request: Request) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(text, 0.0, 0.0, marks=marked(text).marks if request.marks else ())
            for text in answer(request)
        )

    def translate(requests: Sequence[Request]) -> list[Translation]:
        asked.append([request.text for request in requests])
        return [Translation(candidates(request)) for request in requests]

    return translate_marked([*map(marked, texts)], translate)


def only(answer: Answer, text: str) -> TranslatedSentence:
    (found,) = translated(answer, [text], [])
    assert found.flags or found.text == marked(found.text.text)
    return found


def test_what_one_way_loses_the_next_one_places() -> None:
    asked: list[list[str]] = []
    texts = ["Open %s", "one <b>two", "%s", "", "Open %s"]
    found = translated(
        lambda request: ["Ouvre %s"] if request.marks else ["Ouvre", "%s %s"], texts, asked
    )
    assert [len(sentence.candidates) for sentence in found] == [1, 0, 0, 2, 1]
    assert found[2] == TranslatedSentence(marked("%s"))
    # One call for each way, with what the ways before failed for; texts without marks are alone.
    assert asked == [["Open %s", "one <b>two", "", "Open %s"], ["one", "two"]]
    assert [{*map(type, texts)} for texts in asked] == [{str}, {FirstSegment}]


def test_the_texts_between_marks_are_translated_apart() -> None:
    def answer(request: Request) -> list[str]:
        return ["oh" if request.marks else request.text.upper()]

    found = only(answer, "see <b>the %s</b>, now")
    assert (found.text.text, found.flags) == ("SEE <b>THE %s</b>, NOW", ())
    assert found.candidates == ()


def test_what_no_way_keeps_is_flagged() -> None:
    found = only(lambda request: [f"{request.text} %s"], "see %s")
    assert found.text.text == "see %s %s"
    assert found.flags == ("%s occurs too often",)


def test_a_candidate_that_keeps_the_numbers_is_better() -> None:
    candidates = ["J'ai 6 %s", "J'ai 5", "J'ai 5 %s"]
    assert only(lambda _: candidates, "I have 5 %s").text.text == "J'ai 5 %s"
    assert only(lambda _: ["6 ans", "5 ans"], "5 years").text.text == "5 ans"
    found = only(lambda _: ["6 %s ans", "7 %s ans"], "5 %s years")
    assert (found.text.text, len(found.candidates)) == ("6 %s ans", 2)
    assert found.flags == ("the number 5 is missing", "the number 6 is not in the source")


def test_a_sentence_without_marks_or_words() -> None:
    found = only(lambda _: ["un"], "one")
    assert (found.text, found.flags) == (Marked("un"), ())
    assert only(lambda _: ["un"], "<b>%s</b> 5") == TranslatedSentence(marked("<b>%s</b> 5"))
    found = only(lambda _: [""], "one")
    assert found.flags == ("the translation is empty",)


def careless(draw: random.Random) -> Translate:
    """Return a model that loses, doubles and invents marks, and writes any words."""

    def candidate(request: Request) -> Candidate:
        pieces = ["x", "y.", "5", "", "\u4e16", *marked(request.text).mark_texts()]
        text = " ".join(draw.choices(pieces, k=draw.randrange(6)))
        if not request.marks:
            return Candidate(request.text if draw.random() < 0.2 else text, 0.0, 0.0)
        links = [(draw.randrange(6), draw.randrange(6)) for _ in range(draw.randrange(9))]
        if draw.random() < 0.8:
            text = marked(text).without_marks()
        found = place_spans(cut_spans(Marked(request.text, request.marks)), text, links)
        return Candidate(found.text, 0.0, 0.0, marks=found.marks)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [
            Translation(tuple(candidate(request) for _ in range(draw.randint(1, 3))))
            for request in requests
        ]

    return translate


def test_no_mark_is_lost_unless_flagged() -> None:
    draw = random.Random(1)
    ways = set()
    for _ in range(240):
        sources = [random_marked(draw) for _ in range(5)]
        for source, translated in zip(
            sources, translate_marked(sources, careless(draw)), strict=True
        ):
            problems = mark_problems(source, translated.text)
            ways.add((bool(translated.candidates), bool(problems), translated.text == source))
            assert sorted(translated.text.mark_texts()) == sorted(source.mark_texts())
            if problems:
                assert set(problems) <= {*translated.flags}
                continue
            assert translated.text == marked(translated.text.text)
            assert len(translated.text.partners()) == len(source.partners())
    # By the search, apart, flagged, and copied.
    assert ways >= {(True, False, False), (False, False, False), (False, True, False)}
    assert (False, False, True) in ways
