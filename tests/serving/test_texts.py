"""Texts, pages and files are divided into lines, and joined again; whatever is in them."""

import asyncio
import multiprocessing
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.tags import with_changed_words
from nmt.serving import texts
from nmt.serving.texts import Downloads, File, PlainText, candidates, divide
from nmt.serving.worker import Line, with_marks
from tests.serving.test_app import client
from tests.waiting import wait_until

QUICK = settings(max_examples=60, derandomize=True, database=None, deadline=None)
PAIR = ("en", "de")
FIELDS = {"source": "en", "target": "de"}
NAMES = "filename=\"na_ve_ page_de.HTML\"; filename*=UTF-8''na%C3%AFve%25%20page_de.HTML"
PAGE = b'<html lang="en"><p>The <b>sun</b> shines. 12</p><script>sun</script></html>'
SHOUTED = b'<html lang="de"><p>THE <b>SUN</b> SHINES. 12</p><script>sun</script></html>'
SLOW = b"- a\n" * 250_000  # takes more than a minute


def shout(line: Line) -> Line:
    return line.upper() if isinstance(line, str) else with_changed_words(line, str.upper)


@pytest.mark.parametrize(
    ("text", "lines", "shouted"),
    [
        ("a", ("a",), "A"),
        ("a\r\nb\r\n", ("a", "b"), "A\r\nB\r\n"),
        ("\n\na \n", ("a ",), "\n\nA \n"),
        ("a\n  \nb", ("a", "b"), "A\n\nB"),
        ("a\u2028b\rc\r", ("a\u2028b\rc",), "A\u2028B\rC"),  # only a line feed ends a line
        (" ", (), ""),
    ],
)
def test_text_keeps_its_line_breaks(text: str, lines: tuple[str, ...], shouted: str) -> None:
    layout = PlainText(text)
    assert layout.lines == lines
    assert layout.join([*map(shout, layout.lines)]).decode() == shouted


@pytest.mark.parametrize(
    ("text", "lines", "shouted"),
    [
        ("<p>a <b>c</b>\n d</p>", ("a <b>c</b> d",), "<p>A <b>C</b> D</p>"),
        ("<p>One is. Two is.</p>", ("One is.", "Two is."), "<p>ONE IS. TWO IS.</p>"),
        ("<p>sun</p><p>sun</p>", ("sun",), "<p>SUN</p><p>SUN</p>"),
        ("<script>if (a<b) c</script>sun", ("sun",), "<script>if (a<b) c</script>SUN"),
        ("", (), ""),
    ],
)
def test_html_keeps_its_tags(text: str, lines: tuple[str, ...], shouted: str) -> None:
    layout = divide(text, PAIR, is_html=True)
    assert (*map(with_marks, layout.lines),) == lines
    assert layout.join([*map(shout, layout.lines)]).decode() == shouted


@QUICK
@given(
    st.text(st.sampled_from("<>&;ab /!-\"'\n\rp=")),
    st.text(st.sampled_from("<>&\"'a"), min_size=1),
)
def test_a_translation_adds_no_markup(text: str, translation: str) -> None:
    """Whatever a model writes, the tags are those of the source."""
    layout = divide(text, PAIR, is_html=True)
    written = [
        translation if isinstance(line, str) else with_changed_words(line, lambda part: translation)
        for line in layout.lines
    ]
    fixed = layout.join([line if isinstance(line, Marked) else "a" for line in layout.lines])
    assert layout.join(written).count(b"<") <= max(fixed.count(b"<"), text.count("<"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb", "{}\n{}"), ("<p>sun</p><p>rain</p>", "<p>{}</p><p>{}</p>")],
)
def test_candidates_are_those_that_every_line_has(text: str, expected: str) -> None:
    layout = divide(text, PAIR, is_html="<" in text)
    found: list[list[Line]] = [["1", "2", "3"], ["x", "y"]]
    pages = [expected.format("1", "x"), expected.format("2", "y")]
    assert candidates(layout, found, 5) == pages
    assert candidates(layout, found, 1) == pages[:1]
    assert candidates(PlainText("\n"), [], 3) == ["\n"]


@pytest.mark.parametrize(
    "text",
    ["<b>a" * 20_000, "a" + " " * 100_000 + "a", "&#" * 50_000, "<p translate='no'>" * 6_000],
    ids=["starts", "spaces", "references", "no"],
)
def test_hostile_html_takes_little_time(text: str) -> None:
    """Each takes a fraction of a second; with a time that grows with the square, minutes."""
    divide(text, PAIR, is_html=True)


def test_html_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HTTPException, match="400: 'q', line 1: a character reference"):
        divide(f"&#{'9' * 5000};", PAIR, is_html=True)
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(HTTPException, match=r"501: .*sentencex"):
        divide("<p>One is. Two is.</p>", PAIR, is_html=True)


def upload(one: TestClient, name: str, content: bytes, **options: object) -> tuple[int, str]:
    """Return the status of the answer to an upload, and the address or the error in it."""
    data = {**FIELDS, **{key: value for key, value in options.items() if key in FIELDS}}
    headers = {"Host": "example.org", **({"X-Forwarded-Proto": "https"} if options else {})}
    answer = one.post(
        "/translate_file", files={"file": (name, content)}, data=data, headers=headers
    )
    return answer.status_code, next(iter(answer.json().values()))


def test_a_file_is_translated_by_its_format() -> None:
    """Its address is that of the web server in front."""
    one = client()
    status, address = upload(one, "naïve% page.HTML", PAGE)
    assert status == 200
    assert address.startswith("http://example.org/download_file/")
    for _ in range(2):
        found = one.get(address)
        assert found.content == SHOUTED
        assert found.headers["content-disposition"] == f"attachment; {NAMES}"
        assert found.headers["content-type"] == "application/octet-stream"
    _, other = upload(one, "page.html", PAGE, source="auto")
    assert other.startswith("https://example.org/download_file/")
    assert one.get("/download_file/page.html").json()["error"].startswith("there is no such file")
    settings = one.get("/frontend/settings").json()
    assert {".txt", ".html", ".docx", ".srt", ".po"} <= {*settings["supportedFilesFormat"]}
    assert ".csv" not in settings["supportedFilesFormat"]  # nobody could name its columns


@pytest.mark.parametrize(
    ("name", "content", "fields", "status", "reason"),
    [
        ("a.txt", b"", {}, 400, "Invalid request: empty file"),
        ("a.exe", b"x", {}, 400, "Invalid request: file format not supported"),
        ("a.csv", b"x", {}, 400, "Invalid request: file format not supported"),
        ("a.txt", b"x", {"source": ""}, 400, "Invalid request: missing source parameter"),
        ("a.txt", b"x", {"target": "zz"}, 400, "zz is not supported"),
        ("a.txt", b"a sun " * 20, {}, 413, "Invalid request: request (119) exceeds text limit"),
        ("a.txt", b"a sun " * 40_000, {}, 413, "the body has more than"),
        ("a.xlf", b"<tmx/>", {}, 400, "Invalid request: a.xlf: "),
        ("../a.json", b"[" * 9000, {}, 400, "Invalid request: a.json"),
    ],
    ids=["empty", "kind", "table", "source", "target", "long", "large", "root", "nested"],
)
def test_what_is_no_file_to_translate_is_refused(
    name: str, content: bytes, fields: dict[str, str], status: int, reason: str
) -> None:
    one = client(characters=100, file_bytes=100_000)
    found, error = upload(one, name, content, **fields)
    assert found == status
    assert error.startswith(reason)
    assert "--" not in error  # a client has no options
    missing = one.post("/translate_file", data=FIELDS)
    assert missing.json() == {"error": "Invalid request: missing file parameter"}


def test_a_file_that_takes_too_long_ends_with_its_process() -> None:
    before = {*multiprocessing.active_children()}
    assert upload(client(seconds=0.5), "a.md", SLOW)[0] == 503
    wait_until(lambda: {*multiprocessing.active_children()} == before)


def test_a_file_whose_process_dies_is_refused() -> None:
    before = {*multiprocessing.active_children()}

    async def translate(lines: Sequence[Line]) -> Sequence[Line]:
        for process in {*multiprocessing.active_children()} - before:
            process.kill()
            process.join()
        return lines

    with pytest.raises(HTTPException, match="reading the file failed"):
        asyncio.run(texts.translate_file(File("a.txt", b"sun"), PAIR, 100, translate))


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "parse_document", lambda *_: bytearray(2 * texts.MOST_MEMORY))
    status, error = upload(client(), "a.txt", b"sun")
    assert status == 413
    assert "memory" in error


def test_translations_are_kept_for_some_time_and_in_some_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "MOST_KEPT_BYTES", 20)
    monkeypatch.setattr(texts, "KEPT_SECONDS", 0.1)
    kept = Downloads()

    async def use() -> None:
        first, *others = [kept.add(File(f"{n}.TXT", b"x" * 9)) for n in range(3)]
        assert [kept[name].name for name in others] == ["1.TXT", "2.TXT"]
        assert first not in kept
        assert first.endswith(".txt")
        await asyncio.sleep(0.3)
        assert not kept

    asyncio.run(use())


@pytest.mark.parametrize(
    ("name", "translated"),
    [("a.b.txt", "a.b_de.txt"), ("a\u2028b.txt", "ab_de.txt"), (".html", "translation_de.html")],
)
def test_names_of_translations(name: str, translated: str) -> None:
    one = client()
    found = one.get(upload(one, name, b"sun")[1]).headers["content-disposition"]
    assert f'filename="{translated}"' in found
