"""Translation memories: equal and similar texts are found, then sentences, then the model."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.memory import Match, Memory, Sort, read_tokens, similarity
from nmt.documents.messages.tmx import Unit, read_units, write_units
from nmt.documents.texts.text import read
from nmt.documents.translate import DocumentTranslator, TranslatedSegment, TranslatedSentence
from tests.documents.documents import QUICK, marked
from tests.documents.test_translate import OPTIONS, capitals

TAGS = {"<b>": Kind.OPEN, "</b>": Kind.CLOSE, "<i>": Kind.OPEN, "</i>": Kind.CLOSE}
TAGS |= {"`x`": Kind.ALONE, "`y`": Kind.ALONE}


def unit(source: str, target: str, context: str = "") -> Unit:
    return Unit(marked(source, TAGS), marked(target, TAGS), context)


def found(memory: Memory, source: str, context: str = "") -> tuple[str, str] | None:
    match = memory.find(marked(source, TAGS), context)
    if match is None:
        return None
    assert match.target == marked(match.target.text, TAGS)
    return match.target.text, match.origin


def test_equal_texts_prefer_the_same_context() -> None:
    memory = Memory([unit("Open", "Offen", "state"), unit("Open", "Öffnen", "menu")], 0.95)
    assert found(memory, "Open", "menu") == ("Öffnen", "memory 100 %")
    assert found(memory, "Open", "other") == ("Offen", "memory 100 %")
    assert found(memory, " Open\n") == (" Offen\n", "memory 100 %")
    assert found(memory, "Close") is None


def test_other_numbers_and_marks_are_replaced() -> None:
    memory = Memory([unit("Use <b>1.5</b> of `x`", "Nutze `x` zu <b>1,5</b>")], 0.95)
    assert found(memory, "Use <i>2.5</i> of `y`") == ("Nutze `y` zu <i>2,5</i>", "memory 99 %")
    assert found(memory, "Use <b>1.5</b> of `x`") == ("Nutze `x` zu <b>1,5</b>", "memory 100 %")
    assert found(memory, "Use 1.5 of `x`") is None  # a pair of tags is missing


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("The red ticket costs $5 for one full day.", "The red ticket costs €5 for one full day."),
        ("It runs while the heat is < 10 degrees.", "It runs while the heat is > 10 degrees."),
    ],
)
def test_a_text_with_another_symbol_is_no_match(known: str, other: str) -> None:
    memory = Memory([unit(known, "x 5 10 50")], 0.9)
    assert found(memory, other) is None
    assert found(memory, known.replace(".", "!")) is not None
    assert found(memory, known.replace(".", "™.")) is not None


def test_a_number_that_cannot_be_replaced_is_no_match() -> None:
    memory = Memory([unit("Take 1 pill", "Nimm eine Tablette"), unit("1 of 1", "1 von 1")], 0.95)
    assert found(memory, "Take 2 pills") is None
    assert found(memory, "Take 2 pill") is None
    assert found(memory, "1 of 2") is None


def test_marks_of_texts_are_found_in_the_translation() -> None:
    memory = Memory([Unit(Marked("Copy %s to 5 km"), Marked("Kopiere %s nach 5 Kilometern"))], 0.95)
    marks = Mark(5, 7, is_text=True), Mark(11, 15, is_text=True)
    match = memory.find(Marked("Copy %s to 5 km", marks))
    assert match == Match(Marked("Kopiere %s nach 5 Kilometern", (Mark(8, 10, is_text=True),)), 1.0)
    lost = Memory([Unit(Marked("Copy %s"), Marked("Kopiere"))], 0.95)
    assert lost.find(Marked("Copy %s", (Mark(5, 7, is_text=True),))) is None


def test_similar_texts_are_found_above_the_threshold() -> None:
    units = [unit("The file was not found, try again", "Datei fehlt")]
    memory = Memory(units, 0.95)
    # 7 words and a comma: 29. A sign costs 1, a word 4.
    assert found(memory, "The file was not found; try again") == ("Datei fehlt", "memory 96 %")
    assert found(memory, "The file was not found try again") == ("Datei fehlt", "memory 96 %")
    assert found(memory, "The file was now found, try again") is None
    weaker = found(Memory(units, 0.8), "The file was now found, try again")
    assert weaker == ("Datei fehlt", "memory 86 %")
    assert found(Memory(units, 1.0), "The file was not found; try again") is None


def test_signs_of_chinese_are_compared_one_by_one() -> None:
    memory = Memory([unit("打开这个文件夹", "Open this folder")], 0.8)
    assert found(memory, "打开那个文件夹") == ("Open this folder", "memory 85 %")


WORDS = ["a", "b", "c", "d", "e", "f", ",", "1", "`x`"]
SORTS = (Sort.WORD, Sort.SIGN, Sort.NUMBER)
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


@QUICK
@given(st.lists(sentences, max_size=8), sentences, st.sampled_from([0.5, 0.7, 0.9]))
def test_the_index_finds_what_a_search_of_all_finds(
    sources: list[str], text: str, threshold: float
) -> None:
    memory = Memory([unit(source, source) for source in sources], threshold)
    tokens = read_tokens(marked(text, TAGS))
    shares = [0.0]
    for others in (read_tokens(marked(source, TAGS)) for source in sources):
        shapes = [[token for token in side if token.sort not in SORTS] for side in (tokens, others)]
        counts = [sum(token.sort is Sort.NUMBER for token in side) for side in (tokens, others)]
        common = {token for token in tokens if token.sort is Sort.WORD} & {*others}
        if common and shapes[0] == shapes[1] and counts[0] == counts[1]:
            shares.append(similarity(tokens, others))
    match = memory.find(marked(text, TAGS))
    if text in sources:
        assert match is not None
        assert match.similarity == 1.0
    elif match is not None:
        assert match.similarity == pytest.approx(min(0.99, max(shares)))
    else:
        assert max(shares) < threshold


def test_a_memory_is_read_from_several_files(tmp_path: Path) -> None:
    paths = [tmp_path / "one.tmx", tmp_path / "two.tmx"]
    line = "one two three four five six seven eight nine ten eleven twelve"
    write_units(paths[0], [unit(line, "first"), unit("x y", "z")], "en-GB", "de")
    write_units(paths[1], [unit(line, "later")], "en", "de")
    memory = Memory(read_units(paths, "en", "de"), 0.9)
    assert len(memory) == 3
    assert found(memory, line) == ("first", "memory 100 %")
    assert found(memory, line.replace("four", "else")) == ("first", "memory 91 %")


def test_what_is_recorded_is_written(tmp_path: Path) -> None:
    memory = Memory([], 1.0, ("en", "de"), keeps_new=True)
    for _ in range(2):
        memory.record(Unit(Marked("One"), Marked("Eins"), "key", "model"))
    assert memory.find(Marked("One"), "key") is None
    memory.write(tmp_path / "new.tmx")
    again = Memory(read_units([tmp_path / "new.tmx"], "en", "de"), 1.0)
    assert len(again) == 1
    assert again.find(Marked("One"), "") == Match(Marked("Eins"), 1.0)


def results(content: str, memory: Memory) -> list[TranslatedSegment]:
    translator = DocumentTranslator(capitals, OPTIONS, memory)
    document = read(content.encode(), OPTIONS)
    (translated,) = translator.translate([(None, document)])
    return translated.results


def test_segments_come_before_sentences_and_the_model(tmp_path: Path) -> None:
    pairs = [("One is here. Two is there.", "Eins, zwei."), ("Two is there.", "Zwei ist da.")]
    path = tmp_path / "old.tmx"
    write_units(path, [Unit(Marked(one), Marked(other)) for one, other in pairs], "en", "de")
    memory = Memory(read_units([path], "en", "de"), 0.95, ("en", "de"), keeps_new=True)
    content = "One is here. Two is there.\n\nTwo is there. Three is new.\n"
    found = results(content, memory)
    assert [(segment.text.text, segment.origin) for segment in found] == [
        ("Eins, zwei.", "memory 100 %"),
        ("Zwei ist da. THREE IS NEW.", "memory 100 %, model"),
    ]
    memory.write(tmp_path / "new.tmx")
    written = {unit.source.text: unit for unit in read_units([tmp_path / "new.tmx"], "en", "de")}
    assert {source: unit.target.text for source, unit in written.items()} == {
        "One is here. Two is there.": "Eins, zwei.",
        "Two is there.": "Zwei ist da.",
        "Three is new.": "THREE IS NEW.",
        "Two is there. Three is new.": "Zwei ist da. THREE IS NEW.",
    }
    assert written["Three is new."].origin == "model"


def test_each_sentence_ends_as_its_source() -> None:
    def translate_sentences(sentences: Sequence[Marked]) -> list[TranslatedSentence]:
        return [
            TranslatedSentence(Marked(sentence.text[:-1].lower() + ".")) for sentence in sentences
        ]

    document = read(b"One is here! Two are\n", OPTIONS)
    (translated,) = DocumentTranslator(translate_sentences, OPTIONS).translate([(None, document)])
    assert translated.results[0].text.text == "One is here! Two ar"
