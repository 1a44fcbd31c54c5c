"""Lines: words fit the width, tags are not broken, and Chinese breaks between characters."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.tags import with_tags
from nmt.documents.texts.wrapping import join_words, joined_lines, line_width, split_words, wrapped


def unseen(part: str, is_mark: bool) -> int:
    return 0 if is_mark else len(part)


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


@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=20), st.integers(1, 20))
def test_words_keep_their_order_and_fit(texts: list[str], width: int) -> None:
    words = split_words(Marked(" ".join(texts)))
    lines = wrapped(words, width)
    assert " ".join(map(join_words, lines)).split() == texts
    assert all(line_width(line) <= width or len(line) == 1 for line in lines)
