"""JSON: strings that are texts are translated; keys, metadata, escapes and layout stay."""

import json
import tracemalloc

import pytest

from nmt.documents.data.json_messages import read
from nmt.documents.document import Options
from nmt.errors import NmtError
from tests.documents.documents import joined, texts
from tests.documents.samples import SAMPLES

NESTED = (SAMPLES / "nested.json").read_bytes()
CHROME = (SAMPLES / "chrome.json").read_bytes()
FORMATJS = (SAMPLES / "formatjs.json").read_bytes()
ARB = (SAMPLES / "app.arb").read_bytes()


def test_values_are_segments_and_their_paths_contexts() -> None:
    segments = read(NESTED, Options()).segments
    assert [(segment.context, segment.source.text, segment.place) for segment in segments] == [
        ("menu.file.open", 'Open "it"', "line 2"),
        ("menu.file.open", "Open again", "line 2"),
        ("items_one", "{{count}} file", "line 4"),
        ("items_other", "{{count}} files", "line 4"),
        ("list.0", "First thing", "line 5"),
        ("html", "Read <b>this</b>", "line 6"),
        ("html", "now", "line 6"),
    ]
    assert segments[-2].source.mark_texts() == ["<b>", "</b>"]


def test_metadata_of_known_formats_stays() -> None:
    assert texts(read(CHROME, Options())) == ["My tool for $USER$", "Some text"]
    assert texts(read(FORMATJS, Options())) == ["Hello you"]
    assert texts(read(ARB, Options())) == ["Hello {name}"]
    # A description in a file of another form is a text.
    other = b'{"a": {"message": "Some text", "description": "Some text"}, "b": "Some text"}'
    assert len(texts(read(other, Options()))) == 3


def test_the_locale_of_arb_follows() -> None:
    german = joined(read(ARB, Options(target_language="de")), "Hallo {name}")
    assert b'"@@locale": "de", "hello": "Hallo {name}"' in german
    assert b'"@@locale": "en"' in joined(read(ARB, Options()), "Hallo {name}")


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ('["Some size"]', '["Größe </i> \\"\\\\\\n"]'),
        ('["Some size", "\\u00fc"]', '["Gr\\u00f6\\u00dfe </i> \\"\\\\\\n", "\\u00fc"]'),
        ('["Some\\/size it"]', '["Größe <\\/i> \\"\\\\\\n"]'),
        ('["Some \\u003c size"]', '["Größe \\u003c/i> \\"\\\\\\n"]'),
    ],
)
def test_characters_are_escaped_as_in_the_file(content: str, written: str) -> None:
    document = read(content.encode(), Options())
    assert joined(document, 'Größe </i> "\\\n').decode() == written


def test_an_escape_of_a_letter_is_no_escape_in_a_translation() -> None:
    document = read(rb'{"a": "A man.\nTwo dogs r\u0075n. \u006e\/"}', Options())
    assert json.loads(joined(document, "Ein Mann.", "un/")) == {"a": "Ein Mann.\nun/"}


def test_a_large_file_is_refused_before_it_takes_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nmt.documents.document.MOST_TEXTS", 1000)
    content = b"[" + b'{"text":"Open the file and save it","more":[1,2,"a_b"]},' * 40_000 + b"1]"
    tracemalloc.start()
    with pytest.raises(NmtError, match="line 1: the file has more than 1,000 texts; split it"):
        read(content, Options())
    assert tracemalloc.get_traced_memory()[1] < 25 * len(content)
    tracemalloc.stop()
