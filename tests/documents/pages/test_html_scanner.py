"""The scanner of HTML takes linear time and loses no character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.pages.html_scanner import What, attributes, scan

QUICK = settings(max_examples=300, derandomize=True, database=None, deadline=None)
PIECES = [
    *("<p>", "</p>", "<b x='1'>", "</b>", "<title>", "</title>", "<!--", "-->", "<![CDATA[", "]]>"),
    *(
        "<?php ",
        "?>",
        "<script>",
        "</script",
        "<code",
        "/>",
        ">",
        "<",
        "a",
        "=",
        '"',
        "'",
        " ",
        "\n",
    ),
]


@QUICK
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_tokens_are_the_whole_text(text: str) -> None:
    tokens = list(scan(text))
    assert "".join(text[each.begin : each.end] for each in tokens) == text
    assert all(each.begin < each.end for each in tokens)


@pytest.mark.parametrize(
    "text",
    [
        "<!--x>" * 20_000,
        "<a'" * 30_000,
        "<pre>" + "<pre" * 25_000,
        "<pre>" * 25_000,
        "a" + " " * 100_000 + "a",
        "<a \"'" * 30_000,
        "&#" * 50_000,
        "<p translate='no'>" * 6_000,
        "<title>" * 20_000,
        "<![CDATA[>" * 20_000,
        "<?php >" * 20_000,
        "<a " + "x " * 50_000 + "translate",
        "<a translate" + " " * 100_000 + "x>",
        *(f"<a {part * 30_000}" for part in ('<a ="', "<a ='", '="" ', "=' ", '<a x="\'" ')),
    ],
    ids=[
        *("comments", "quotes", "open", "elements", "spaces", "both-quotes", "references", "no"),
        *("titles", "sections", "instructions", "attributes", "spaces-in-tag"),
        *("values", "apostrophes", "empty-values", "open-values", "mixed"),
    ],
)
def test_hostile_html_takes_no_time(text: str) -> None:
    """Each takes milliseconds; with a time that grows with the square, minutes (pytest-timeout)."""
    assert sum(each.end - each.begin for each in scan(text)) == len(text)


@pytest.mark.parametrize(
    "tag",
    ["<p title=don't>", "<p a='1>2' b=\"x'>\" c>", '<a "x>', "<p a='it is open>", "<p a=b'c>"],
)
def test_a_quotation_mark_matters_only_where_a_value_begins(tag: str) -> None:
    tokens = [*scan(f"{tag}One")]
    assert [each.what for each in tokens] == [What.START, What.TEXT]
    assert tokens[0].end == len(tag)


def test_attributes_have_their_places() -> None:
    tag = '<IMG Alt = \'a "b"\' title=c x disabled y="" =z/>'
    found = attributes(tag)
    assert [(each.name, each.value) for each in found] == [
        ("alt", 'a "b"'),
        ("title", "c"),
        ("y", ""),
    ]
    assert [tag[each.begin : each.end] for each in found] == ["'a \"b\"'", "c", '""']
