"""Read requests: JSON and forms become one typed request, and what does not fit is refused.

Where LibreTranslate has a sentence for a refusal, it is that one, because clients compare it.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from nmt.serving.texts import File, too_long
from nmt.serving.worker import Pair, lower_case

MOST_FIELDS = 20  # of a form
BOUNDARY = re.compile(
    r'\bboundary=(?:"([ -!#-~]{1,70})"|([!#-:<-~]{1,70}))\s*(?:;|$)', re.ASCII | re.IGNORECASE
)
# The names of a part, of its file, and of its file if that is encoded: UTF-8''na%C3%AFve.txt.
NAMES = re.compile(rb'(?<![a-z])(name|filename\*?)=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
NUMBER = re.compile(r"[+-]?[0-9]+")
LONGEST_HEAD = 16_384  # of a part, bytes
LONGEST_NAME = 100  # of a file, characters; the end is kept, because it tells the format
MOST_ALTERNATIVES = 1000  # that a client may ask for; it gets as many as there are
# Bytes of a character in a body: \ud83d\ude00 in JSON, %F0%9F%98%80 in a form.
CHARACTER_BYTES = 12
OTHER_BYTES = 65_536  # of a body, beside its text
# Bytes of a body that is too large that are read and dropped, so that its client gets to read why.
MOST_DROPPED_BYTES = 64_000_000
CLOSE = {"Connection": "close"}
GONE = (499, "the client has gone")  # is counted; nobody reads it
INVALID = "Invalid request: "


@dataclass(frozen=True)
class Fields:
    """The fields of a request's body; clients may send others, which are ignored."""

    q: str | list[str] | None = None
    source: str = ""
    target: str = ""
    format: str = "text"
    alternatives: int | str = 0
    api_key: str = ""
    file: File | None = None

    @property
    def texts(self) -> list[str]:
        """Return the texts to translate."""
        return [self.q] if isinstance(self.q, str) else self.q or []

    @property
    def size(self) -> int:
        """Return the number of characters, or of texts if that is higher."""
        return max(sum(map(len, self.texts)), len(self.texts))


TEXT_FIELDS = [name for name in Fields.__dataclass_fields__ if name != "file"]


def missing(name: str) -> HTTPException:
    """Return the refusal of a request without a field that it must have."""
    return HTTPException(400, f"{INVALID}missing {name} parameter")


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request, in bounded memory and time; raises HTTPException."""
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
    except ClientDisconnect as error:
        raise HTTPException(*GONE) from error
    except TimeoutError as error:
        message = f"the request was not complete after {seconds:g} seconds"
        raise HTTPException(408, message, CLOSE) from error
    if size > most:
        message = f"the body has more than {most:,} bytes; send less text at once"
        raise HTTPException(413, message, CLOSE)
    return bytes(body)


def read_fields(content_type: str, body: bytes) -> Fields:
    """Return the fields of a body; raises HTTPException if it is neither JSON nor a form."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            text = body.decode()
            return first_fields(parse_qsl(text, True, errors="strict", max_num_fields=MOST_FIELDS))
        if kind == "multipart/form-data":
            return multipart_fields(content_type, body)
    except UnicodeError as error:
        raise HTTPException(400, "the form is not UTF-8") from error
    except ValueError as error:
        raise HTTPException(400, f"the form has more than {MOST_FIELDS} fields") from error
    if kind == "application/json" or (not kind and body.lstrip()[:1] == b"{"):
        return json_fields(body)
    if not body:
        return Fields()
    raise HTTPException(
        415,
        "the content type must be application/json, application/x-www-form-urlencoded or"
        " multipart/form-data",
    )


def json_fields(body: bytes) -> Fields:
    """Return the fields of a JSON object; some clients send null for those that they do not use."""
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        given = {
            name: value
            for name, value in found.items()
            if name in TEXT_FIELDS and bytes(value).strip() != b"null"
        }
        return msgspec.json.decode(msgspec.json.encode(given), type=Fields)
    except UnicodeError as error:
        raise HTTPException(400, "the body is not UTF-8") from error
    except RecursionError as error:
        raise HTTPException(400, "the JSON is nested too deeply") from error
    except msgspec.MsgspecError as error:
        reason = " ".join(str(error).split())[:150]  # without the text of the request
        is_json = isinstance(error, msgspec.ValidationError)
        cause = "Invalid JSON format" if is_json else "the body is not JSON"
        raise HTTPException(400, f"{cause}: {reason}") from error


def multipart_fields(content_type: str, body: bytes) -> Fields:
    """Return the fields of a multipart form, as browsers send it.

    A boundary begins a line (RFC 2046); the same characters in a line belong to a text.
    """
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise HTTPException(400, "the content type multipart/form-data has no valid boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + (boundary[1] or boundary[2]).encode())
    if not 2 < len(parts) <= MOST_FIELDS + 2:
        raise HTTPException(400, f"the form must have 1 to {MOST_FIELDS} parts")
    pairs, file = [], None
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        if len(head) > LONGEST_HEAD:
            message = f"the head of a part has more than {LONGEST_HEAD:,} bytes"
            raise HTTPException(400, message)
        found = reversed(NAMES.findall(head))  # of equal ones, the first counts
        names = {key.lower(): quoted or word for key, quoted, word in found}
        name = names.get(b"name", b"").decode()
        if name == "file":
            encoded = unquote(names.get(b"filename*", b"").decode().rpartition("'")[2])
            path = encoded or names.get(b"filename", b"").decode()
            file = file or File(re.split(r"[/\\]", path)[-1][-LONGEST_NAME:], content)
        elif name:
            pairs.append((name, content.decode()))
    return replace(first_fields(pairs), file=file)


def first_fields(pairs: Sequence[tuple[str, str]]) -> Fields:
    """Return the fields with these names and values; of equal names, the first counts."""
    given = {name: value for name, value in reversed(pairs) if name in TEXT_FIELDS}
    return msgspec.convert(given, Fields)


def read_pair(fields: Fields) -> Pair:
    """Return the languages in lower case; raises HTTPException if one is missing."""
    for name, value in (("source", fields.source), ("target", fields.target)):
        if not value:
            raise missing(name)
    return lower_case((fields.source, fields.target))


def check_texts(fields: Fields, most_characters: int) -> Fields:
    """Return the fields with languages in lower case, and alternatives as a number.

    Raises HTTPException if a field is missing or invalid, or if the text is too long.
    """
    if fields.q is None:
        raise missing("q")
    source, target = read_pair(fields)
    if fields.format not in ("", "text", "html"):
        raise HTTPException(400, f"{fields.format[:20]} format is not supported")
    number = str(fields.alternatives).strip()
    if not NUMBER.fullmatch(number):
        raise HTTPException(400, f"{INVALID}alternatives parameter is not a number")
    alternatives = max(0, int(number[:20]))
    if alternatives > MOST_ALTERNATIVES:
        limit = f"alternatives parameter must be <= {MOST_ALTERNATIVES}"
        raise HTTPException(400, f"{INVALID}{limit}")
    if fields.size > most_characters:
        raise too_long(fields.size, most_characters)
    try:
        "".join(fields.texts).encode()
    except UnicodeError as error:
        message = "'q' has half of a surrogate pair, which is no character"
        raise HTTPException(400, message) from error
    return replace(fields, source=source, target=target, alternatives=alternatives)
