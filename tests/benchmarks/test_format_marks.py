"""The script that counts marks finds placeholders and tags in its own way."""

from collections import Counter
from importlib import import_module

import polib

from nmt.documents.document import DEFAULTS
from nmt.documents.registry import FORMATS


def test_placeholders_of_several_languages_are_found() -> None:
    script = import_module("format_marks")
    found = script.placeholders("100%% of %(name)s, %d, %5.2f, {0!r:>8}, {name} and %r; 5 % de")
    assert found == Counter(["%%", "%(name)s", "%d", "%5.2f", "{0!r:>8}", "{name}", "%r"])


def test_tags_that_are_not_closed_or_cross_are_found() -> None:
    script = import_module("format_marks")
    page = script.page(
        ["a <b>b</b>", "<b>a", "<i>a <b>b</i> c</b>", 'x <a href="#" title="t">y</a>']
    )
    tags = script.Tags(page.decode())
    assert tags.unbalanced == {1, 2}
    assert tags.found[3] == Counter({"a [('href', '#')]": 1})


def test_a_sentence_has_one_tag_around_some_of_its_words() -> None:
    script = import_module("format_marks")
    sentence = "A man sleeps in a green room & snores."
    made = script.tagged(sentence)
    assert made == script.tagged(sentence)
    assert made.count("<b>") == made.count("</b>") == 1
    assert made.replace("<b>", "").replace("</b>", "") == sentence.replace("&", "&amp;")


def test_messages_become_a_catalogue() -> None:
    script = import_module("format_marks")
    entries = [polib.POEntry(msgid="%s is\nhere", msgctxt="1", flags=["c-format"])]
    segments = FORMATS["po"].read(script.catalogue(entries), DEFAULTS).segments
    assert [(each.source.text, each.context) for each in segments] == [
        ("%s is", "1"),
        ("here", "1"),
    ]
