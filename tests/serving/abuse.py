"""Requests that nobody should send: each is bytes, and how the connection is treated."""

import json
import random
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from tests.serving.running import Running, post

GOOD = {"q": "sun", "source": "en", "target": "de"}
SENT = post(GOOD)
LIMIT = 5000  # characters, of the server under test


def huge(draw: random.Random) -> bytes:
    """Return a body over the limit of bytes, or of characters, or one that only claims to be."""
    kind = draw.randrange(3)
    if kind == 0:
        return post({**GOOD, "q": "a" * draw.choice([LIMIT + 1, 50_000])})
    if kind == 1:
        return post(b" " * 2_000_000)
    return SENT.replace(b"Content-Length: ", b"Content-Length: 9999999999")


def wrong_types(draw: random.Random) -> bytes:
    """Return JSON with values of other types, or with fields missing."""
    values: list[object] = [None, 1, 1.5, True, [], {}, [1], ["a", 1], {"q": 1}, -1, 10**30, "x"]
    body = {**GOOD, draw.choice([*GOOD, "format", "alternatives", "api_key"]): draw.choice(values)}
    if draw.random() < 0.3:
        body.pop(draw.choice(sorted(body)))
    return post(draw.choice([body, [body], values]))


def bad_text(draw: random.Random) -> bytes:
    """Return a body that is not UTF-8, or has characters that are none."""
    bad = draw.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0", b"\\ud800", b"\\u12", b"\x80" * 9])
    return post(json.dumps(GOOD).encode().replace(b"sun", bad))


def deep(draw: random.Random) -> bytes:
    """Return JSON that is nested, or does not end."""
    opening = draw.choice([b"[", b'{"q":', b'[{"a":['])
    return post(draw.choice([b"", b'{"x":', b'{"q":']) + opening * draw.choice([50, 5000, 20_000]))


def bad_lengths(draw: random.Random) -> bytes:
    """Return a request whose length is no number, wrong, or told twice."""
    length = draw.choice(["-1", "abc", "", "1e3", "0x10", "5, 6", "+5", "3\r\nContent-Length: 4"])
    chunked = "Transfer-Encoding: chunked"
    head = draw.choice([f"Content-Length: {length}", chunked, f"{chunked}\r\nContent-Length: 5"])
    body = draw.choice(["zz\r\nabc", "5\r\nab", "-1\r\n\r\n", "fffffffffffffffff\r\n", "{}"])
    return f"POST /translate HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{body}".encode()


def wrong_methods(draw: random.Random) -> bytes:
    """Return a request with another method, path or version."""
    method = draw.choice(["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X" * 500, "get"])
    paths = ["/translate", "/", "*", "/%ff%00", "/../x", "/x" * 2000, "http://x/", "/?q"]
    path = draw.choice(paths)
    version = draw.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""])
    return f"{method} {path} {version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def bad_heads(draw: random.Random) -> bytes:
    """Return a head that is no HTTP, too long, or asks for another protocol."""
    return draw.choice(
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(200),  # TLS
            draw.randbytes(300),
            b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 200_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            SENT.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue")[:-5],
            b"\r\n" * 100,
        ]
    )


def forms(draw: random.Random) -> bytes:
    """Return a form with bad escapes, many fields, or another type of content."""
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=q"
    kind = draw.choice([form, parts, "text/plain", "x", "a/b;c=\xff"])
    bodies = ["q=%ff&source=en&target=de", "&" * 5000, "q=" + "%" * 999, "q=a&source=en", "=" * 99]
    body = draw.choice(bodies)
    head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("latin-1")


def mutated(draw: random.Random) -> bytes:
    """Return a good request with some bytes changed, lost or added."""
    data = bytearray(SENT)
    for _ in range(draw.randint(1, 8)):
        index = draw.randrange(len(data))
        kind = draw.randrange(3)
        if kind == 0:
            data[index] = draw.randrange(256)
        elif kind == 1:
            del data[index : index + draw.randint(1, 9)]
        else:
            data[index:index] = draw.randbytes(draw.randint(1, 9))
    return bytes(data)


def hostile_html(draw: random.Random) -> bytes:
    """Return HTML that is no HTML."""
    text = "".join(draw.choices(["<", ">", "a", "</", "<!--", "&#", '"', "'", "<pre>"], k=300))
    return post({**GOOD, "q": text, "format": "html"})


def pipelined(draw: random.Random) -> bytes:
    """Return several requests at once, the last one bad or cut off."""
    return SENT * draw.randint(1, 4) + draw.choice([b"", SENT[:40], b"\xff\xff\r\n\r\n", SENT])


KINDS: list[Callable[[random.Random], bytes]] = [
    huge,
    wrong_types,
    bad_text,
    deep,
    bad_lengths,
    wrong_methods,
    bad_heads,
    forms,
    mutated,
    hostile_html,
    pipelined,
]


def attack(server: Running, number: int) -> list[bytes]:
    """Send one bad request in one of five ways; return the status lines that came back."""
    draw = random.Random(number)
    data = draw.choice(KINDS)(draw)
    how = draw.choices(["all", "half", "slow", "reset", "wait"], [10, 3, 1, 3, 1])[0]
    received = b""
    with server.connect() as connection, suppress(ConnectionError):
        if how == "slow":
            for index in range(0, min(len(data), 60), 10):
                connection.sendall(data[index : index + 10])
                time.sleep(0.05)
        else:
            connection.sendall(data[: draw.randrange(len(data))] if how == "wait" else data)
        if how == "reset":
            no_lingering = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
            return []
        # Without this, a request that is complete keeps its connection for the next one.
        if how in ("half", "all"):
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            received += part
            if how != "all" and b"HTTP/1.1" in received:
                break
    return [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
