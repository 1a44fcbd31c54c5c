"""Strings of data files: which are texts, and which are identifiers, addresses, colours, dates."""

import pytest

from nmt.documents.marks.never_text import is_text

TEXTS = """Open|Open file|OK|Save as…|{count} files|Hello, {{name}}!|well-known|e-mail|Log-in|Yes/No
and/or|state-of-the-art|See https://example.com|<b>Bold</b>|Größe|打开|Don't|Re:|3 files|Error: %s
Done.|Invalid: user_name|A|Monday, 3 May|12 px wide|Font size in px""".replace("\n", "|").split("|")
TEXTS.remove("A")  # a single letter is no word

OTHERS = """https://example.com/a b|mailto:me@example.com|www.example.com|me@example.com|/usr/bin
./a.txt|~/x|C:\\Users|src/img/logo.png|text/html|logo.svg|com.example.app|menu.file|example.com
MAX_SIZE|user_id|userName|UserName|GitHub|col-md-6|#fff|#A0b1C2|d41d8cd98f00b204e9800998ecf8427e
123e4567-e89b-12d3-a456-426614174000|v1.2.3|12px|1.5rem|2024-01-31|2024-01-31T10:00:00Z
2024-01-31 10:00|en-US|de_DE|zh-Hans|{count}|{{name}}|%s|$t(key)|YYYY-MM-DD|dd/MM/yyyy HH:mm
rgb(0, 10, 20)|0 auto|10px 5px|42|  |-|<br/>|A|{{a}}{{b}}""".replace("\n", "|").split("|")
OTHERS.remove("https://example.com/a b")  # an address has no space


@pytest.mark.parametrize("value", TEXTS)
def test_texts(value: str) -> None:
    assert is_text(value)


@pytest.mark.parametrize("value", OTHERS)
def test_other_strings(value: str) -> None:
    assert not is_text(value)


def test_encoded_data_and_broken_characters_are_no_texts() -> None:
    assert not is_text("QUJD" * 30)
    assert not is_text("a b\ud800")
    assert is_text("长" * 200)
    assert is_text("Donaudampfschifffahrtsgesellschaft")
