"""Files of translators: any content is a document that keeps its bytes, or an error."""

import pytest
from hypothesis import given

from nmt.formats.document import Options
from nmt.formats.kinds import po
from tests.formats.kinds.test_po import MENU, TEMPLATE
from tests.fuzz import fuzz
from tests.fuzz.documents import check, first, spoiled

pytestmark = pytest.mark.slow

ALL = Options("en", "ru", translates_all=True)


@given(content=spoiled(MENU, TEMPLATE))
@fuzz
def test_catalogues(content: bytes) -> None:
    document = check(po.read, content, ALL, is_bilingual=True)
    if document:  # what was written is a catalogue too
        made = document.join([first(each.source) for each in document.segments]).content
        assert len(po.read(made, ALL).segments) >= len(document.segments)
