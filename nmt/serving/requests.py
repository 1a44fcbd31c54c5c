"""Read requests: JSON and forms become one typed request, and what does not fit is refused."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import Request

from nmt.serving.refusals import RefusedError, bad_request, missing, too_large, too_long

MOST_FIELDS = 20  # of a form
BOUNDARY = re.compile(
    r'\bboundary=(?:"([ -!#-~]{1,70})"|([!#-:<-~]{1,70}))\s*(?:;|$)', re.ASCII | re.IGNORECASE
)
PART_NAME = re.compile(rb'(?<![a-z])name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
NUMBER = re.compile(r"[+-]?[0-9]+")
FILE_NAME = re.compile(rb'\bfilename(\*?)=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
LONGEST_HEAD = 16_384  # of a part, bytes
LONGEST_NAME = 100  # of a file, characters; the end is kept, because it tells the format
MOST_ALTERNATIVES = 1000  # that a client may ask for; it gets as many as there are
# Bytes of a character in a body: \ud83d\ude00 in JSON, %F0%9F%98%80 in a form.
CHARACTER_BYTES = 12
OTHER_BYTES = 65_536  # of a body, beside its text
# Bytes of a body that is too large that are read and dropped, so that its client gets to read why.
MOST_DROPPED_BYTES = 64_000_000
CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Upload:
    """A file that a client sends."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Fields:
    """The fields of a request's body; clients may send others, which are ignored."""

    q: str | list[str] | None = None
    source: str = ""
    target: str = ""
    format: str = "text"
    alternatives: int | str = 0
    api_key: str = ""
    file: Upload | None = None


TEXT_FIELDS = [each for each in Fields.__dataclass_fields__ if each != "file"]
# Some clients send null for a field that they do not use.
NULLABLE = ("source", "target", "format", "alternatives", "api_key")


def most_bytes(most_characters: int) -> int:
    """Return how many bytes a body may have that holds so many characters of text."""
    return CHARACTER_BYTES * most_characters + OTHER_BYTES


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request, in bounded memory and time; raises RefusedError."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    body.clear()
                else:
                    body += part
                if size > MOST_DROPPED_BYTES:
                    break
    except TimeoutError as error:
        raise RefusedError(
            408, f"the request was not complete after {seconds:g} seconds", CLOSE
        ) from error
    if size > most:
        refusal = too_large(f"the body has more than {most:,} bytes; send less text at once")
        refusal.headers |= CLOSE
        raise refusal
    return bytes(body)


def read_fields(content_type: str, body: bytes) -> Fields:
    """Return the fields of a body; raises RefusedError if it is neither JSON nor a form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return form_fields(body)
    if kind == "multipart/form-data":
        return multipart_fields(content_type, body)
    if kind == "application/json" or (not kind and body.lstrip()[:1] == b"{"):
        return json_fields(body)
    if not body:
        return Fields()
    raise RefusedError(
        415,
        "the content type must be application/json, application/x-www-form-urlencoded or"
        " multipart/form-data",
    )


def json_fields(body: bytes) -> Fields:
    """Return the fields of a JSON object."""
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        given = {
            key: value
            for key, value in found.items()
            if key in TEXT_FIELDS and not (key in NULLABLE and bytes(value).strip() == b"null")
        }
        return msgspec.json.decode(msgspec.json.encode(given), type=Fields)
    except UnicodeError as error:
        raise bad_request("the body is not UTF-8") from error
    except RecursionError as error:
        raise bad_request("the JSON is nested too deeply") from error
    except msgspec.ValidationError as error:
        raise bad_request(f"Invalid JSON format: {one_line(error)}") from error
    except msgspec.MsgspecError as error:
        raise bad_request(f"the body is not JSON: {one_line(error)}") from error


def form_fields(body: bytes) -> Fields:
    """Return the fields of a form; a field that occurs again is ignored."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except UnicodeError as error:
        raise bad_request("the form is not UTF-8") from error
    except ValueError as error:
        raise bad_request(f"the form has more than {MOST_FIELDS} fields") from error
    return fields_of(pairs)


def multipart_fields(content_type: str, body: bytes) -> Fields:
    """Return the fields of a multipart form, as browsers send it.

    A boundary begins a line (RFC 2046); the same characters in a line belong to a text.
    """
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise bad_request("the content type multipart/form-data has no valid boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + (boundary[1] or boundary[2]).encode())
    if not 2 < len(parts) <= MOST_FIELDS + 2:
        raise bad_request(f"the form must have 1 to {MOST_FIELDS} parts")
    pairs, file = [], None
    try:
        for part in parts[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            if len(head) > LONGEST_HEAD:
                raise bad_request(f"the head of a part has more than {LONGEST_HEAD:,} bytes")
            found = PART_NAME.search(head)
            name = (found[1] or found[2] or b"").decode() if found else ""
            if name == "file":
                file = file or Upload(file_name(head), content)
            elif name:
                pairs.append((name, content.decode()))
    except UnicodeError as error:
        raise bad_request("the form is not UTF-8") from error
    return replace(fields_of(pairs), file=file)


def file_name(head: bytes) -> str:
    """Return the name of the file of a part, without folders and shortened; "" if it has none."""
    found = FILE_NAME.search(head)
    if found is None:
        return ""
    name = (found[2] or found[3] or b"").decode()
    if found[1]:  # filename*=UTF-8''na%C3%AFve.txt
        name = unquote(name.rpartition("'")[2])
    return re.split(r"[/\\]", name)[-1][-LONGEST_NAME:]


def fields_of(pairs: Iterable[tuple[str, str]]) -> Fields:
    """Return the fields with these names and values; of equal names, the first counts."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in TEXT_FIELDS:
            given.setdefault(name, value)
    return msgspec.convert(given, Fields)


def one_line(error: Exception) -> str:
    """Return msgspec's reason, without the text of the request."""
    return " ".join(str(error).split())[:150]


@dataclass(frozen=True)
class Asked:
    """A request for translations."""

    texts: tuple[str, ...]
    is_list: bool
    source: str  # code of a language, or "auto"
    target: str
    is_html: bool
    alternatives: int

    @property
    def characters(self) -> int:
        """Number of characters of all texts."""
        return sum(map(len, self.texts))


def asked_of(fields: Fields, most_characters: int) -> Asked:
    """Return what the fields ask for.

    Raises RefusedError if a field is missing or invalid, or if the text is too long.
    """
    if fields.q is None:
        raise missing("q")
    texts = tuple([fields.q] if isinstance(fields.q, str) else fields.q)
    check_languages(fields)
    if fields.format not in ("", "text", "html"):
        raise bad_request(f"{fields.format[:20]} format is not supported")
    asked = Asked(
        texts,
        not isinstance(fields.q, str),
        fields.source.lower(),
        fields.target.lower(),
        fields.format == "html",
        alternatives_of(fields.alternatives),
    )
    if (size := max(asked.characters, len(texts))) > most_characters:
        raise too_long(size, most_characters)
    try:
        "".join(texts).encode()
    except UnicodeError as error:
        raise bad_request("'q' has half of a surrogate pair, which is no character") from error
    return asked


def check_languages(fields: Fields) -> None:
    """Raise RefusedError if a language is missing."""
    for name, value in (("source", fields.source), ("target", fields.target)):
        if not value:
            raise missing(name)


def alternatives_of(value: int | str) -> int:
    """Return how many alternatives are asked for."""
    text = str(value).strip()
    if not NUMBER.fullmatch(text):
        raise bad_request("Invalid request: alternatives parameter is not a number")
    number = max(0, int(text[:20]))
    if number > MOST_ALTERNATIVES:
        raise bad_request(f"Invalid request: alternatives parameter must be <= {MOST_ALTERNATIVES}")
    return number
