"""Subtitles and prose: any content is a document that keeps bytes and times, or an error."""

import pytest
from hypothesis import given

from nmt.documents.texts import text
from nmt.documents.texts.subtitles import TIMES, read
from tests.documents.texts.test_subtitles import SRT, VTT
from tests.documents.texts.test_text import CONTENT, LISTS
from tests.fuzz import fuzz
from tests.fuzz.documents import check, spoiled, twice

pytestmark = pytest.mark.slow


def times(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if TIMES.fullmatch(line.decode("latin-1"))]


@given(content=spoiled(SRT, VTT))
@fuzz
def test_subtitles(content: bytes) -> None:
    document = check(read, content)
    if document and not any("-->" in each.source.text for each in document.segments):
        written = document.join([twice(each.source) for each in document.segments]).content
        assert times(written) == times(content)


@given(content=spoiled(LISTS, CONTENT))
@fuzz
def test_prose(content: bytes) -> None:
    check(text.read, content)
