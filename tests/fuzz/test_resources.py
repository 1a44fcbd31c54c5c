"""Files of messages: any content is a document that keeps its bytes, or an error.

What is written for a translation is read again as this translation.
"""

import pytest
from hypothesis import given

from nmt.documents.data import json_messages, properties, yaml_messages
from nmt.documents.data.tables import read_csv, read_tsv
from nmt.documents.document import Options
from nmt.documents.messages import android
from nmt.documents.messages.apple import read_strings, read_stringsdict
from tests.documents.data.test_json_messages import ARB, CHROME, FORMATJS, NESTED
from tests.documents.data.test_properties import BUNDLE
from tests.documents.data.test_tables import CSV, TSV
from tests.documents.data.test_yaml_messages import DOCUMENTS, EXPLICIT, RAILS
from tests.documents.messages.test_android import ANDROID
from tests.documents.messages.test_apple import STRINGS, STRINGSDICT
from tests.fuzz import fuzz
from tests.fuzz.documents import check, rereads, spoiled

pytestmark = pytest.mark.slow


@given(content=spoiled(NESTED, CHROME, FORMATJS, ARB))
@fuzz
def test_json(content: bytes) -> None:
    document = check(json_messages.read, content)
    if document:
        rereads(json_messages.read, document)


@given(content=spoiled(RAILS.encode(), DOCUMENTS, EXPLICIT))
@fuzz
def test_yaml(content: bytes) -> None:
    document = check(yaml_messages.read, content)
    if document:
        rereads(yaml_messages.read, document)


@given(content=spoiled(BUNDLE, BUNDLE.decode().encode("latin-1")))
@fuzz
def test_properties(content: bytes) -> None:
    check(properties.read, content)


@given(content=spoiled(STRINGS, STRINGS.decode().encode("utf-16")))
@fuzz
def test_apple_strings(content: bytes) -> None:
    document = check(read_strings, content)
    if document:
        rereads(read_strings, document)


@given(content=spoiled(ANDROID))
@fuzz
def test_android(content: bytes) -> None:
    check(android.read, content, Options(target_language="pl"))


@given(content=spoiled(STRINGSDICT))
@fuzz
def test_stringsdict(content: bytes) -> None:
    check(read_stringsdict, content, Options(target_language="pl"))


@given(content=spoiled(CSV, CSV.replace(b",", b";"), TSV))
@fuzz
def test_tables(content: bytes) -> None:
    options = Options(columns=("2",))
    check(read_csv, content, options)
    check(read_tsv, content, options)
