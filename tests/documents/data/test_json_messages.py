"""JSON: strings that are texts are translated; keys, metadata, escapes and layout stay."""

import json
import subprocess
import sys

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.json_messages import read
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.marks.tags import with_changed_words
from nmt.errors import NmtError

NESTED = rb"""{
  "menu": {"file": { "open":"Open \"it\"", "open":	"Open again" } },
  "_comment": "Do not translate",
  "items_one": "{{count}} file", "items_other": "{{count}} files",
  "list": ["First thing", 3, null, {"id": "first_thing", "url": "https://a.b/c"}],
  "html": "Read <b>this<\/b>\nnow",
  "color": "#fff"}
"""

CHROME = b"""{"name": {"message": "My tool for $USER$", "description": "Shown at the top",
  "placeholders": {"user": {"content": "$1", "example": "Some user"}}},
  "other": {"message": "Some text"}}"""
FORMATJS = b'{"a.b": {"defaultMessage": "Hello you", "description": "A greeting"}}'
ARB = b"""{"@@locale": "en", "hello": "Hello {name}", "@hello": {"description": "A greeting"}}"""


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def translated(content: bytes, *translations: str, options: Options = DEFAULTS) -> str:
    document = read(content, options)
    return document.join([Marked(each) for each in translations]).content.decode()


def test_values_are_segments_and_their_paths_contexts() -> None:
    document = read(NESTED, DEFAULTS)
    assert [(each.context, each.source.text, each.place) for each in document.segments] == [
        ("menu.file.open", 'Open "it"', "line 2"),
        ("menu.file.open", "Open again", "line 2"),
        ("items_one", "{{count}} file", "line 4"),
        ("items_other", "{{count}} files", "line 4"),
        ("list.0", "First thing", "line 5"),
        ("html", "Read <b>this</b>", "line 6"),
        ("html", "now", "line 6"),
    ]
    assert document.segments[-2].source.mark_texts() == ["<b>", "</b>"]


@pytest.mark.parametrize(
    "content",
    [NESTED, CHROME, FORMATJS, ARB, b'\xef\xbb\xbf"Some text"\r\n', b"[]", "[ ]".encode("utf-16")],
    ids=["nested", "chrome", "formatjs", "arb", "string", "empty", "utf-16"],
)
def test_a_translation_equal_to_its_source_changes_no_byte(content: bytes) -> None:
    document = read(content, Options(target_language="de"))
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


def test_the_tree_stays_and_values_are_translated() -> None:
    document = read(NESTED, DEFAULTS)
    changed = [with_changed_words(each.source, str.swapcase) for each in document.segments]
    tree = json.loads(NESTED)
    tree["menu"]["file"]["open"] = "oPEN AGAIN"
    tree["items_one"], tree["items_other"] = "{{COUNT}} FILE", "{{COUNT}} FILES"
    tree["list"][0] = "fIRST THING"
    tree["html"] = "rEAD <b>THIS</b>\nNOW"
    assert json.loads(document.join(changed).content) == tree


def test_metadata_of_known_formats_stays() -> None:
    assert texts(read(CHROME, DEFAULTS)) == ["My tool for $USER$", "Some text"]
    assert texts(read(FORMATJS, DEFAULTS)) == ["Hello you"]
    assert texts(read(ARB, DEFAULTS)) == ["Hello {name}"]
    # A description in a file of another form is a text.
    other = b'{"a": {"message": "Some text", "description": "Some text"}, "b": "Some text"}'
    assert len(texts(read(other, DEFAULTS))) == 3


def test_the_locale_of_arb_follows() -> None:
    options = Options(target_language="de")
    assert '"@@locale": "de", "hello": "Hallo {name}"' in translated(
        ARB, "Hallo {name}", options=options
    )
    assert '"@@locale": "en"' in translated(ARB, "Hallo {name}")


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b'["Some size"]', '["Größe </i> \\"\\\\\\n"]'),
        (b'["Some size", "\\u00fc"]', '["Gr\\u00f6\\u00dfe </i> \\"\\\\\\n", "\\u00fc"]'),
        ('["Some size", "ü"]'.encode(), '["Größe </i> \\"\\\\\\n", "ü"]'),
        (b'["Some\\/size it"]', '["Größe <\\/i> \\"\\\\\\n"]'),
        (b'["Some \\u003c size"]', '["Größe \\u003c/i> \\"\\\\\\n"]'),
    ],
    ids=["none", "file", "not-ascii", "slash", "html"],
)
def test_characters_are_escaped_as_in_the_file(content: bytes, written: str) -> None:
    assert translated(content, 'Größe </i> "\\\n') == written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":\n "b"', "line 2: the JSON is not valid near column 5 "),
        (b'{"a":\n b}', r"line 2: the JSON is not valid near column 2 \(JSON is malformed"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[" * 101 + b"\n" + b"]" * 101, "line 1: the JSON is nested more than 100 levels"),
        (b'["a\0"]', "line 1: there is a NUL"),
        (b'["\xff"]', "line 1: the bytes at offset 2"),
        (b'["\\ud800"]', "line 1: the JSON is not valid"),
        (b"", "line 1: the JSON is not valid"),
        (b"['a b']", "line 1: the JSON is not valid"),
    ],
    ids=["cut", "word", "deeper", "deep", "nul", "encoding", "surrogate", "empty", "quotes"],
)
def test_what_is_not_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, DEFAULTS)


LARGE = r"""
import resource
from nmt.errors import NmtError
from nmt.documents.document import DEFAULTS
from nmt.documents.data.json_messages import read

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

content = b'[' + b'{"text":"Open the file and save it","more":[1,2,"a_b"]},' * 1_900_000 + b'1]'
before = megabytes()
try:
    read(content, DEFAULTS)
except NmtError as error:
    print(error)
print(len(content) / 1e6, megabytes() - before)
"""


@pytest.mark.slow
def test_a_large_file_on_one_line_takes_bounded_memory() -> None:
    command = [sys.executable, "-c", LARGE]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    message, sizes = output.splitlines()
    assert message == "line 1: the file has more than 1,000,000 texts; split it"
    size, used = map(float, sizes.split())
    assert size > 100
    assert used < 1200


def test_an_escape_of_a_letter_is_no_escape_in_a_translation() -> None:
    content = rb'{"a": "A man.\nTwo dogs r\u0075n. \u006e\/"}'
    assert json.loads(translated(content, "Ein Mann.", "un/")) == {"a": "Ein Mann.\nun/"}
