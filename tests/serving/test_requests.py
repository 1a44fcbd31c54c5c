"""Bodies of requests become fields, and bad ones are refused with the reason."""

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from nmt.serving.requests import Fields, check_texts, read_fields
from nmt.serving.texts import File

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
GOOD: dict[str, Any] = {"q": "a", "source": "en", "target": "de"}
PARTS = "multipart/form-data; boundary=AaB"
FILE_PART = b'--AaB\r\nContent-Disposition: form-data; name="file"; '


def part(name: str, value: bytes) -> bytes:
    """Return a part of a form as browsers and curl send it."""
    head = f'--AaB\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value + b"\r\n"


def read_json(**changes: object) -> Fields:
    """Return the fields of a good request with changes, as JSON."""
    return read_fields(JSON, json.dumps({**GOOD, **changes}).encode())


def test_forms_in_parts() -> None:
    """A boundary within a line is text, and only the name of a field counts."""
    text = "größe --AaB\r\n--x"
    body = part("q", text.encode()) + part("source", b"EN") + part("target", b"de")
    body += (
        b'--AaB\r\nContent-Disposition: form-data; filename="name=format"\r\n\r\nx\r\n--AaB--\r\n'
    )
    for kind in (PARTS, 'Multipart/Form-Data; boundary="AaB"; charset=utf-8'):
        fields = check_texts(read_fields(kind, body), 99)
        assert fields == Fields(text, "en", "de")


@pytest.mark.parametrize("kind", ["boundary=A a", 'Boundary="A a"', "charset=x; BOUNDARY=Aa"])
def test_boundaries_of_any_form(kind: str) -> None:
    mark = b"--Aa" if "Aa" in kind else b"--A a"
    body = mark + b"\r\nContent-Disposition: form-data; name=q\r\n\r\nsun\r\n" + mark + b"--"
    if kind == "boundary=A a":  # a space needs quotes
        with pytest.raises(HTTPException, match="no valid boundary"):
            read_fields(f"multipart/form-data; {kind}", body)
    else:
        assert read_fields(f"multipart/form-data; {kind}", body).q == "sun"


def test_json_and_forms_have_the_same_fields() -> None:
    fields = read_json()
    assert fields == read_fields(f"{FORM}; charset=utf-8", b"q=a&source=en&target=de&other=1&q=2")
    assert (fields.texts, read_json(q=["a", "bc"]).size) == (["a"], 3)
    form = read_fields(FORM, b"q=a&source=en&target=de&alternatives=+3&format=html")
    assert check_texts(form, 9) == Fields("a", "en", "de", "html", 3)


def test_null_stands_for_a_field_that_is_not_used() -> None:
    body: dict[str, object] = {"format": None, "alternatives": None, "x": [[{}]]}
    assert check_texts(read_json(**body), 10) == Fields("a", "en", "de")
    # None, as LibreTranslate has it.
    assert check_texts(read_json(alternatives=-3), 10).alternatives == 0


@pytest.mark.parametrize(
    ("kind", "body", "status", "reason"),
    [
        (JSON, b"", 400, "not JSON"),
        (JSON, b"[1]", 400, "400: Invalid JSON format: "),
        (JSON, b'{"q": 1}', 400, "Invalid JSON format"),
        (JSON, b'{"q": ["a", null]}', 400, "Invalid JSON format"),
        (JSON, b'{"q": "\xff"}', 400, "UTF-8"),
        (JSON, b'{"q": "\\ud800"}', 400, "not JSON"),
        (JSON, b'{"x": ' + b"[" * 90_000, 400, "too deep"),
        (JSON, b'{"q": "a"} {}', 400, "not JSON"),
        (PARTS, b"", 400, "1 to 20 parts"),
        ("multipart/form-data", b"--", 400, "no valid boundary"),
        (PARTS, b"--AaB\r\n" * 30, 400, "1 to 20 parts"),
        (PARTS, part("q", b"\xff") + b"--AaB--", 400, "not UTF-8"),
        (PARTS, FILE_PART + b"x" * 20_000 + b"\r\n--AaB--", 400, "head .* more than 16,384 bytes"),
        (FORM, b"q=%ff", 400, "not UTF-8"),
        (FORM, b"q=\xff", 400, "not UTF-8"),
        (FORM, b"&".join([b"a=b"] * 30), 400, "more than 20 fields"),
        ("text/plain", b"a", 415, "content type"),
        ("", b"q=a", 415, "content type"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_bodies_are_refused(kind: str, body: bytes, status: int, reason: str) -> None:
    with pytest.raises(HTTPException, match=reason) as refused:
        read_fields(kind, body)
    assert refused.value.status_code == status


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"q": None}, 400, "missing q parameter"),
        ({"source": ""}, 400, "missing source parameter"),
        ({"target": ""}, 400, "missing target parameter"),
        ({"alternatives": "x"}, 400, "alternatives parameter is not a number"),
        ({"alternatives": 10**15}, 400, "alternatives parameter must be <= 1000"),
        ({"q": "a" * 11}, 413, "request (11) exceeds text limit (10)"),
        ({"q": ["a" * 6] * 2}, 413, "request (12) exceeds text limit (10)"),
        ({"q": [""] * 11}, 413, "request (11) exceeds text limit (10)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_fields_are_refused(changes: dict[str, object], status: int, reason: str) -> None:
    """Clients compare the sentences, which are LibreTranslate's."""
    with pytest.raises(HTTPException) as refused:
        check_texts(read_json(**changes), 10)
    assert (refused.value.status_code, refused.value.detail) == (
        status,
        f"Invalid request: {reason}",
    )


def test_other_formats_and_halves_of_characters_are_refused() -> None:
    with pytest.raises(HTTPException, match="400: pdf format is not supported"):
        check_texts(read_json(format="pdf"), 10)
    with pytest.raises(HTTPException, match=r"surrogate|not UTF-8"):
        check_texts(read_fields(FORM, b"q=%ed%a0%80&source=en&target=de"), 10)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'filename="a b.docx"', "a b.docx"),
        (b"filename*=UTF-8''gr%C3%B6%C3%9Fe.md", "größe.md"),
        ('filename="größe.md"'.encode(), "größe.md"),
        (b"filename=a.md; filename*=UTF-8''b.md", "b.md"),
        (b'filename="a.md"\r\nContent-Type: text/plain; name=b', "a.md"),
        (b'filename="../../etc/it\'s.txt"', "it's.txt"),
        (b'filename="C:\\x\\a.txt"', "a.txt"),
        (b'filename="' + b"x" * 3000 + b'.txt"', "x" * 96 + ".txt"),
        (b"", ""),
    ],
    ids=["quoted", "encoded", "utf-8", "both", "type", "folders", "windows", "long", "none"],
)
def test_a_file_has_its_name_without_folders(head: bytes, name: str) -> None:
    body = FILE_PART + head + b"\r\n\r\n\xff\r\n" + part("source", b"en") + b"--AaB--\r\n"
    assert read_fields(PARTS, body) == Fields(source="en", file=File(name, b"\xff"))
    assert read_fields(FORM, b"file=x&q=a").file is None
    assert read_json(file="x").file is None
