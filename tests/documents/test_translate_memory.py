"""The way of a document through a memory: segments first, then sentences, then the model."""

from collections.abc import Sequence
from pathlib import Path

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options
from nmt.documents.memory import Memory
from nmt.documents.messages.tmx import Unit, read_units, write_units
from nmt.documents.texts.text import read
from nmt.documents.translate import DocumentTranslator, Placed, TranslatedSegment
from tests.documents.reading import changed

OPTIONS = Options("en", "de")


def shouted(sentences: Sequence[Marked]) -> list[Placed]:
    return [Placed(changed(each, str.upper)) for each in sentences]


def results_of(content: str, memory: Memory) -> list[TranslatedSegment]:
    translator = DocumentTranslator(shouted, OPTIONS, memory)
    document = read(content.encode(), OPTIONS)
    (translated,) = translator.translate([(None, document)])
    return translated.results


def test_segments_come_before_sentences_and_the_model(tmp_path: Path) -> None:
    pairs = [("One is here. Two is there.", "Eins, zwei."), ("Two is there.", "Zwei ist da.")]
    path = tmp_path / "old.tmx"
    write_units(path, [Unit(Marked(one), Marked(other)) for one, other in pairs], "en", "de")
    memory = Memory.read([path], "en", "de", 0.95, keeps_new=True)
    content = "One is here. Two is there.\n\nTwo is there. Three is new.\n"
    results = results_of(content, memory)
    assert [(each.text.text, each.origin) for each in results] == [
        ("Eins, zwei.", "memory 100 %"),
        ("Zwei ist da. THREE IS NEW.", "memory 100 %, model"),
    ]
    memory.write(tmp_path / "new.tmx")
    written = {each.source.text: each for each in read_units(tmp_path / "new.tmx", "en", "de")}
    assert {source: each.target.text for source, each in written.items()} == {
        "One is here. Two is there.": "Eins, zwei.",
        "Two is there.": "Zwei ist da.",
        "Three is new.": "THREE IS NEW.",
        "Two is there. Three is new.": "Zwei ist da. THREE IS NEW.",
    }
    assert written["Three is new."].origin == "model"


def test_what_was_written_is_used_again(tmp_path: Path) -> None:
    memory = Memory.read([], "en", "de", 1.0, keeps_new=True)
    content = "One is here. See https://a.b for more.\n"
    first = results_of(content, memory)
    memory.write(tmp_path / "new.tmx")
    second = results_of(content, Memory.read([tmp_path / "new.tmx"], "en", "de", 1.0))
    assert [each.text for each in second] == [each.text for each in first]
    assert [each.origin for each in second] == ["memory 100 %"]


def test_each_sentence_ends_as_its_source() -> None:
    def place(sentences: Sequence[Marked]) -> list[Placed]:
        return [Placed(Marked(each.text[:-1].lower() + ".")) for each in sentences]

    document = read(b"One is here! Two are\n", OPTIONS)
    (translated,) = DocumentTranslator(place, OPTIONS).translate([(None, document)])
    assert translated.results[0].text.text == "One is here! Two ar"
