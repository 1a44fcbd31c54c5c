"""Subtitles: sentences go over several of them, times stay, and lines fit the screen."""

from itertools import pairwise

import pysubs2
import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.texts.subtitles import TAG, read
from nmt.errors import NmtError

SRT = """\ufeff1
00:00:01,000 --> 00:00:03,000
<i>I have always thought that</i>
<i>the man with the hat</i>

7
00:00:03,100 --> 00:00:06,200  X1:100 X2:200
<i>is the thief. Not you.</i>


3
00:00:05,000 --> 00:00:07,000
{\\an8}- Yes.
- <b>No</b>, not <i>now</i>.

4
00:00:08,000 --> 00:00:09,000
[DOOR OPENS]
♪ La la love ♪

5
00:00:09,000 --> 00:00:19,000
No <i>more

6
00:00:19,000 --> 00:00:29,000
than</i> this

7
00:00:30,000 --> 00:00:31,000
-5.3 ***""".replace("\n", "\r\n").encode()

VTT = b"""WEBVTT - A film

NOTE
what --> nobody reads

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.000 line:0 align:left
<v Ann Lee>Salt &amp; pepper, <c.loud>please</c>

00:03.000 --> 00:04.500
- <00:03.100>What <00:04.000>now?
"""


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def translated(content: bytes, translations: dict[str, str], language: str = "de") -> str:
    """Return a file with some texts translated; every mark is a tag."""
    document = read(content, Options(target_language=language))
    new = [
        with_tags(translations[each], TAG) if each in translations else None
        for each in texts(document)
    ]
    return document.join(new).content.decode()


def cues(*payloads: str, seconds: float = 5.0) -> bytes:
    """Return a file of subtitles that follow each other."""
    times = [f"00:00:{each * seconds:06.3f}".replace(".", ",") for each in range(len(payloads) + 1)]
    return "".join(
        f"{number + 1}\n{begin} --> {end}\n{payloads[number]}\n\n"
        for number, (begin, end) in enumerate(pairwise(times))
    ).encode()


def test_sentences_and_turns_are_segments() -> None:
    assert texts(read(SRT, DEFAULTS)) == [
        "I have always thought that the man with the hat is the thief. Not you.",
        "Yes.",
        "<b>No</b>, not <i>now</i>.",
        "DOOR OPENS",
        "La la love",
        "No <i>more than</i> this",
    ]
    assert [each.place for each in read(SRT, DEFAULTS).segments][:2] == [
        "subtitle 1, 00:00:01",
        "subtitle 3, 00:00:05",
    ]
    assert texts(read(VTT, DEFAULTS)) == [
        "Salt & pepper, <c.loud>please</c>",
        "What <00:04.000>now?",
    ]


@pytest.mark.parametrize("content", [SRT, VTT, VTT.rstrip(), b"", b"WEBVTT\n"])
def test_a_translation_equal_to_its_source_changes_no_byte(content: bytes) -> None:
    document = read(content, DEFAULTS)
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


def test_the_last_subtitle_has_the_line_ends_of_the_file() -> None:
    content = b"1\r\n00:00:01,000 --> 00:00:09,000\r\nA long line"
    new = translated(content, {"A long line": "Eine sehr lange Zeile, die auf zwei Zeilen passt"})
    assert new.count("\r\n") == new.count("\n") == 3


def test_every_event_keeps_its_times() -> None:
    document = read(SRT, DEFAULTS)
    new = [with_changed_words(each.source, str.upper) for each in document.segments]
    before = pysubs2.SSAFile.from_string(SRT.decode("utf-8-sig"), format_="srt")
    after = pysubs2.SSAFile.from_string(
        document.join(new).content.decode("utf-8-sig"), format_="srt"
    )
    assert [(each.start, each.end) for each in after] == [(e.start, e.end) for e in before]
    words = [" ".join(each.plaintext for each in file).upper().split() for file in (before, after)]
    assert words[0] == words[1]


def test_a_sentence_is_divided_in_proportion_and_tags_are_closed() -> None:
    source = "No <i>more than</i> this"
    written = translated(SRT, {source: "Nicht <i>mehr als das</i> hier"})
    assert "\r\nNicht <i>mehr</i>\r\n\r\n6\r\n" in written
    assert "\r\n<i>als das</i> hier\r\n\r\n7" in written


def test_lines_have_42_characters_and_are_balanced() -> None:
    source = "This is a rather long sentence that has no place on one line."
    german = "Dies ist ein ziemlich langer Satz, der auf einer Zeile keinen Platz hat."
    written = translated(cues(source), {source: german})
    assert written.splitlines()[2:4] == [
        "Dies ist ein ziemlich langer Satz,",
        "der auf einer Zeile keinen Platz hat.",
    ]


def test_what_is_too_long_or_too_fast_is_found() -> None:
    document = read(cues("Too long.", "Too fast.", "Fine.", seconds=2), DEFAULTS)
    long = " ".join(["four"] * 20)
    joined = document.join([Marked(long), Marked("a" * 40), Marked("b" * 34)])
    assert [each.place for each in joined.findings] == [
        "subtitle 1, 00:00:00",
        "subtitle 2, 00:00:02",
    ]
    first, second = (each.message for each in joined.findings)
    assert "a line of 49 characters (42 at most)" in first
    assert second == "the subtitle has 20 characters a second (17 at most)"


def test_an_empty_translation_at_the_end_of_a_file_is_written() -> None:
    document = read(cues("Gone.").rstrip(), DEFAULTS)
    assert b"Gone" not in document.join([Marked("")]).content


def test_chinese_has_its_own_limits() -> None:
    chinese = "这是一个相当长的句子,一行是放不下的,所以要分成两行。"
    lines = translated(cues("Long."), {"Long.": chinese}, "zh").splitlines()[2:4]
    assert "".join(lines) == chinese
    assert max(map(len, lines)) <= 16


def test_speakers_keep_their_lines() -> None:
    written = translated(SRT, {"Yes.": "Ja, aber natürlich."})
    assert "{\\an8}- Ja, aber natürlich.\r\n- <b>No</b>, not <i>now</i>.\r\n" in written
    written = translated(SRT, {"DOOR OPENS": "Tür", "La la love": "La la Liebe"})
    assert "\r\n[Tür]\r\n♪ La la Liebe ♪\r\n" in written


def test_subtitles_without_words_repeat_the_last_ones() -> None:
    document = read(cues("I would", "have gone", "there."), DEFAULTS)
    joined = document.join([Marked("Sagte ich")])
    assert joined.content == cues("Sagte", "ich", "ich")
    assert joined.findings[0].message == "the sentence has fewer words than its 3 subtitles"


def test_sentences_end_at_pauses_overlaps_and_full_stops() -> None:
    assert texts(read(cues("One.", "two", "three"), DEFAULTS)) == ["One.", "two three"]
    apart = cues("one", "two").replace(b"05,000\ntwo", b"").replace(b"05,000 -->", b"09,000 -->")
    assert texts(read(apart, DEFAULTS)) == ["one", "two"]
    overlap = cues("one", "two").replace(b"--> 00:00:05,000", b"--> 00:00:07,000")
    assert texts(read(overlap, DEFAULTS)) == ["one", "two"]
    assert texts(read(cues("I was...", "thinking"), DEFAULTS)) == ["I was... thinking"]
    assert texts(read(cues("I was...", "Thinking"), DEFAULTS)) == ["I was...", "Thinking"]
    assert len(read(cues(*["go on"] * 7), DEFAULTS).segments) == 2


def test_webvtt_is_escaped_and_its_timestamps_stay_in_order() -> None:
    source = "Salt & pepper, <c.loud>please</c>"
    written = translated(VTT, {source: "<c.loud>Bitte</c> Salz & <Pfeffer"})
    assert "<v Ann Lee><c.loud>Bitte</c> Salz &amp; &lt;Pfeffer\n\n" in written
    karaoke = b"WEBVTT\n\n00:01.000 --> 00:09.000\nA <00:02.000>b <00:03.000>c\n"
    source = "A <00:02.000>b <00:03.000>c"
    assert "x <00:02.000>y <00:03.000>z\n" in translated(
        karaoke, {source: "x <00:03.000>y <00:02.000>z"}
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Some text\n", "line 1: the file has no subtitle"),
        (b"1\n\xff", "line 2: the bytes at offset 2"),
        (SRT + b"\0", "line 31: there is a NUL character"),
    ],
    ids=["prose", "encoding", "nul"],
)
def test_what_is_no_subtitle_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, DEFAULTS)


def test_times_that_are_not_valid_are_an_error() -> None:
    content = b"1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:00:03,000 --> 00:00:04:500\nTwo.\n"
    with pytest.raises(NmtError, match="line 6: the times '00:00:03,000 --> 00:00:04:500' are not"):
        read(content, DEFAULTS)
