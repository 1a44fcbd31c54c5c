"""Subtitles: sentences go over several of them, times stay, and lines fit the screen."""

from itertools import pairwise

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options
from nmt.documents.marks.tags import with_tags
from nmt.documents.texts.subtitles import TAG, read
from tests.documents.documents import joined, places, shouted, texts
from tests.documents.samples import SAMPLES

SRT = (SAMPLES / "film.srt").read_bytes()

VTT = (SAMPLES / "film.vtt").read_bytes()


def translated(content: bytes, translations: dict[str, str], language: str = "de") -> str:
    """Return a file with some texts translated; every mark is a tag."""
    document = read(content, Options(target_language=language))
    new = [
        with_tags(translations[text], TAG) if text in translations else None
        for text in texts(document)
    ]
    return document.join(new).content.decode()


def cues(*payloads: str, seconds: float = 5.0) -> bytes:
    numbers = range(len(payloads) + 1)
    times = [f"00:00:{number * seconds:06.3f}".replace(".", ",") for number in numbers]
    return "".join(
        f"{number + 1}\n{begin} --> {end}\n{payloads[number]}\n\n"
        for number, (begin, end) in enumerate(pairwise(times))
    ).encode()


def test_sentences_and_turns_are_segments() -> None:
    assert texts(read(SRT, Options())) == [
        "I have always thought that the man with the hat is the thief. Not you.",
        *("Yes.", "<b>No</b>, not <i>now</i>.", "DOOR OPENS", "La la love"),
        "No <i>more than</i> this",
    ]
    first_two = places(read(SRT, Options()))[:2]
    assert first_two == ["subtitle 1, 00:00:01", "subtitle 3, 00:00:05"]
    of_vtt = texts(read(VTT, Options()))
    assert of_vtt == ["Salt & pepper, <c.loud>please</c>", "What <00:04.000>now?"]


def test_the_last_subtitle_has_the_line_ends_of_the_file() -> None:
    content = b"1\r\n00:00:01,000 --> 00:00:09,000\r\nA long line"
    new = translated(content, {"A long line": "Eine sehr lange Zeile, die auf zwei Zeilen passt"})
    assert new.count("\r\n") == new.count("\n") == 3


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
    document = read(cues("Too long.", "Too fast.", "Fine.", seconds=2), Options())
    long = " ".join(["four"] * 20)
    found = document.join([Marked(long), Marked("a" * 40), Marked("b" * 34)])
    first, second = found.findings
    assert first.place == "subtitle 1, 00:00:00"
    assert "a line of 49 characters (42 at most)" in first.message
    fast = "the subtitle has 20 characters a second (17 at most)"
    assert second == ("subtitle 2, 00:00:02", fast)


def test_an_empty_translation_at_the_end_of_a_file_is_written() -> None:
    assert b"Gone" not in joined(read(cues("Gone.").rstrip(), Options()), "")


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
    document = read(cues("I would", "have gone", "there."), Options())
    found = document.join([Marked("Sagte ich")])
    assert found.content == cues("Sagte", "ich", "ich")
    assert found.findings[0].message == "the sentence has fewer words than its 3 subtitles"


def test_sentences_end_at_pauses_overlaps_and_full_stops() -> None:
    assert texts(read(cues("One.", "two", "three"), Options())) == ["One.", "two three"]
    apart = cues("one", "two").replace(b"05,000\ntwo", b"").replace(b"05,000 -->", b"09,000 -->")
    assert texts(read(apart, Options())) == ["one", "two"]
    overlap = cues("one", "two").replace(b"--> 00:00:05,000", b"--> 00:00:07,000")
    assert texts(read(overlap, Options())) == ["one", "two"]
    assert texts(read(cues("I was...", "thinking"), Options())) == ["I was... thinking"]
    assert texts(read(cues("I was...", "Thinking"), Options())) == ["I was...", "Thinking"]
    assert len(read(cues(*["go on"] * 7), Options()).segments) == 2


def test_webvtt_is_escaped_and_its_timestamps_stay_in_order() -> None:
    source = "Salt & pepper, <c.loud>please</c>"
    written = translated(VTT, {source: "<c.loud>Bitte</c> Salz & <Pfeffer"})
    assert "<v Ann Lee><c.loud>Bitte</c> Salz &amp; &lt;Pfeffer\n\n" in written
    karaoke = b"WEBVTT\n\n00:01.000 --> 00:09.000\nA <00:02.000>b <00:03.000>c\n"
    source = "A <00:02.000>b <00:03.000>c"
    assert "x <00:02.000>y <00:03.000>z\n" in translated(
        karaoke, {source: "x <00:03.000>y <00:02.000>z"}
    )


def test_every_subtitle_keeps_its_times() -> None:
    before, after = (
        [line for line in content.splitlines() if b"-->" in line]
        for content in (SRT, shouted(read(SRT, Options())).content)
    )
    assert before == after


def test_short_times_are_text() -> None:
    assert texts(read(cues("The train\n9:30 -> 10:15"), Options())) == ["The train 9:30 -> 10:15"]
