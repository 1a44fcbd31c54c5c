"""Prose: paragraphs are segments, what is between them stays, and lines fit their width."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.document import Options
from nmt.documents.marks.tags import with_tags
from nmt.documents.texts.text import read
from nmt.documents.texts.wrapping import join_words, joined_lines, line_width, split_words, wrapped
from tests.documents.documents import QUICK, joined, places, texts
from tests.documents.samples import SAMPLES


def test_paragraphs_are_segments_and_translations_take_their_places() -> None:
    document = read((SAMPLES / "prose.txt").read_bytes(), Options())
    assert texts(document) == ["One two. Three.", "Four."]
    assert places(document) == ["line 1", "line 5"]
    assert joined(document, "Eins.") == b"\xef\xbb\xbf  Eins.\r\n\r\n\r\nFour.\n"


LISTS = (SAMPLES / "lists.txt").read_bytes()


def test_lists_and_headings_are_apart() -> None:
    document = read(LISTS, Options())
    assert texts(document) == [
        *("Title of it", "A first paragraph that has two lines.", "One entry that goes on"),
        *("Another entry", "And a number", "Not a title"),
    ]
    assert [segment.is_heading for segment in document.segments] == [True, *[False] * 3, True, True]
    assert places(document)[1:3] == ["line 3", "line 6"]


def test_paragraphs_are_wrapped_to_the_width_of_their_source() -> None:
    first = ("Ein Titel", "Dieser Absatz hat nun mehr als zwei Zeilen.")
    made = joined(
        read(LISTS, Options()), *first, "Ein Eintrag, der weiter geht", None, None, "Kurz"
    )
    assert made == (SAMPLES / "lists_de.txt").read_bytes()


def test_old_line_ends_and_breaks_of_a_translation() -> None:
    document = read(b"Pets\r\r- two dogs\r- a cat\r", Options())
    assert texts(document) == ["Pets", "two dogs", "a cat"]
    assert joined(document, "Tiere", "zwei\n\n  Hunde") == b"Tiere\r\r- zwei Hunde\r- a cat\r"


def unseen(part: str, mark: Mark | None) -> int:
    return 0 if mark else len(part)


def test_tags_have_no_width_and_stay_whole() -> None:
    words = split_words(with_tags('A <a href="b c">link text</a> here <br/>'), unseen)
    assert [word.text for word in words] == ["A", '<a href="b c">link', "text</a>", "here <br/>"]
    assert [word.width for word in words] == [1, 4, 4, 4]
    assert [*map(join_words, wrapped(words, 6))] == [
        'A <a href="b c">link',
        "text</a>",
        "here <br/>",
    ]


def test_chinese_breaks_between_characters() -> None:
    lines = [*map(join_words, wrapped(split_words(Marked("你好,世界。再见 abc")), 9))]
    assert lines == ["你好,世", "界。再见", "abc"]
    assert not any(line.startswith("。") for line in lines)
    assert joined_lines(["你好", "世界"]) == "你好世界"
    assert joined_lines(["Hello", "world"]) == "Hello world"


@QUICK
@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=20), st.integers(1, 20))
def test_words_keep_their_order_and_fit(texts: list[str], width: int) -> None:
    words = split_words(Marked(" ".join(texts)))
    lines = wrapped(words, width)
    assert " ".join(map(join_words, lines)).split() == texts
    assert all(line_width(line) <= width or len(line) == 1 for line in lines)
