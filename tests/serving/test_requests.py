"""Bodies of requests become fields, and bad ones are refused with the reason."""

import json

import pytest

from nmt.serving.refusals import RefusedError
from nmt.serving.requests import Upload, asked_of, read_fields

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
GOOD = {"q": "a", "source": "en", "target": "de"}
PARTS = "multipart/form-data; boundary=AaB"


def part(name: str, value: bytes) -> bytes:
    """Return a part of a form as browsers and curl send it."""
    head = f'--AaB\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value + b"\r\n"


def test_forms_in_parts() -> None:
    body = part("q", "größe\r\n--x".encode()) + part("source", b"en") + part("target", b"de")
    body += b'--AaB\r\nContent-Disposition: form-data; filename="format"\r\n\r\nx\r\n--AaB--\r\n'
    for kind in (PARTS, 'Multipart/Form-Data; boundary="AaB"; charset=utf-8'):
        asked = asked_of(read_fields(kind, body), 99)
        assert asked.texts == ("größe\r\n--x",)
        assert (asked.source, asked.is_html) == ("en", False)


def test_a_boundary_within_a_line_is_text() -> None:
    body = part("q", b"A man --AaB reads.") + part("source", b"en") + part("target", b"de")
    assert read_fields(PARTS, body + b"--AaB--\r\n").q == "A man --AaB reads."


@pytest.mark.parametrize("kind", ["boundary=A a", 'Boundary="A a"', "charset=x; BOUNDARY=Aa"])
def test_boundaries_of_any_form(kind: str) -> None:
    mark = b"--Aa" if "Aa" in kind else b"--A a"
    body = mark + b"\r\nContent-Disposition: form-data; name=q\r\n\r\nsun\r\n" + mark + b"--"
    if kind == "boundary=A a":  # a space needs quotes
        with pytest.raises(RefusedError, match="no valid boundary"):
            read_fields(f"multipart/form-data; {kind}", body)
    else:
        assert read_fields(f"multipart/form-data; {kind}", body).q == "sun"


def test_json_and_forms_have_the_same_fields() -> None:
    fields = read_fields(JSON, json.dumps(GOOD).encode())
    assert fields == read_fields(f"{FORM}; charset=utf-8", b"q=a&source=en&target=de&other=1&q=2")
    asked = asked_of(fields, 10)
    assert (asked.texts, asked.is_list, asked.source, asked.target) == (("a",), False, "en", "de")


def test_null_stands_for_a_field_that_is_not_used() -> None:
    body: dict[str, object] = {
        **GOOD,
        "format": None,
        "alternatives": None,
        "api_key": None,
        "x": [[{}]],
    }
    assert asked_of(read_fields(JSON, json.dumps(body).encode()), 10).alternatives == 0
    body["alternatives"] = -3  # none, as LibreTranslate has it
    assert asked_of(read_fields(JSON, json.dumps(body).encode()), 10).alternatives == 0


def test_alternatives_may_be_a_text() -> None:
    assert (
        asked_of(read_fields(FORM, b"q=a&source=en&target=de&alternatives=3"), 9).alternatives == 3
    )


@pytest.mark.parametrize(
    ("kind", "body", "status", "reason"),
    [
        (JSON, b"", 400, "not JSON"),
        (JSON, b"[1]", 400, "^Invalid JSON format: "),
        (JSON, b'{"q": 1}', 400, "Invalid JSON format"),
        (JSON, b'{"q": ["a", null]}', 400, "Invalid JSON format"),
        (JSON, b'{"q": "\xff"}', 400, "UTF-8"),
        (JSON, b'{"q": "\\ud800"}', 400, "not JSON"),
        (JSON, b'{"x": ' + b"[" * 90_000, 400, "too deep"),
        (JSON, b'{"q": "a"} {}', 400, "not JSON"),
        (PARTS, b"", 400, "1 to 20 parts"),
        ("multipart/form-data", b"--", 400, "no valid boundary"),
        (PARTS, b"--AaB" * 30, 400, "1 to 20 parts"),
        (PARTS, part("q", b"\xff") + b"--AaB--", 400, "not UTF-8"),
        (FORM, b"q=%ff", 400, "not UTF-8"),
        (FORM, b"q=\xff", 400, "not UTF-8"),
        (FORM, b"&".join([b"a=b"] * 30), 400, "fields"),
        ("text/plain", b"a", 415, "content type"),
        ("", b"q=a", 415, "content type"),
    ],
    ids=[
        "empty",
        "list",
        "number",
        "null",
        "bytes",
        "surrogate",
        "deep",
        "more",
        "no-parts",
        "no-boundary",
        "many-parts",
        "part-bytes",
        "form-code",
        "form-bytes",
        "form-fields",
        "plain",
        "none",
    ],
)
def test_bad_bodies_are_refused(kind: str, body: bytes, status: int, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as refused:
        read_fields(kind, body)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"q": None}, 400, "Invalid request: missing q parameter"),
        ({"source": ""}, 400, "Invalid request: missing source parameter"),
        ({"target": ""}, 400, "Invalid request: missing target parameter"),
        ({"format": "pdf"}, 400, "pdf format is not supported"),
        (
            {"alternatives": "x"},
            400,
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"alternatives": 10**15},
            400,
            "Invalid request: alternatives parameter must be <= 1000",
        ),
        ({"q": "a" * 11}, 413, "Invalid request: request (11) exceeds text limit (10)"),
        ({"q": ["a" * 6] * 2}, 413, "Invalid request: request (12) exceeds text limit (10)"),
        ({"q": [""] * 11}, 413, "Invalid request: request (11) exceeds text limit (10)"),
    ],
    ids=["q", "source", "target", "format", "word", "huge", "long", "sum", "many"],
)
def test_bad_fields_are_refused(changes: dict[str, object], status: int, reason: str) -> None:
    """Clients compare the sentences, which are LibreTranslate's."""
    given = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(RefusedError) as refused:
        asked_of(read_fields(JSON, json.dumps(given).encode()), 10)
    assert (refused.value.status, refused.value.message) == (status, reason)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'filename="a b.docx"', "a b.docx"),
        (b"filename*=UTF-8''gr%C3%B6%C3%9Fe.md", "größe.md"),
        ('filename="größe.md"'.encode(), "größe.md"),
        (b'filename="../../etc/it\'s.txt"', "it's.txt"),
        (b'filename="C:\\x\\a.txt"', "a.txt"),
        (b'filename="' + b"x" * 3000 + b'.txt"', "x" * 96 + ".txt"),
        (b"", ""),
    ],
    ids=["quoted", "encoded", "utf-8", "folders", "windows", "long", "none"],
)
def test_a_file_has_its_name_without_folders(head: bytes, name: str) -> None:
    body = b'--AaB\r\nContent-Disposition: form-data; name="file"; ' + head + b"\r\n\r\n\xff\r\n"
    found = read_fields(PARTS, body + part("source", b"en") + b"--AaB--\r\n")
    assert found.file == Upload(name, b"\xff")
    assert found.source == "en"
    assert read_fields(FORM, b"file=x&q=a").file is None
    assert read_fields(JSON, b'{"file": "x", "q": "a"}').file is None


def test_a_part_with_a_head_that_is_too_long_is_told_so() -> None:
    head = b'--AaB\r\nContent-Disposition: form-data; name="file"; filename="'
    with pytest.raises(RefusedError, match=r"head of a part has more than 16,384 bytes"):
        read_fields(PARTS, head + b"x" * 20_000 + b'.txt"\r\n\r\nx\r\n--AaB--\r\n')


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"surrogate|not UTF-8"):
        asked_of(read_fields(FORM, b"q=%ed%a0%80&source=en&target=de"), 10)
