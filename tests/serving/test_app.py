"""The HTTP interface, with models that shout in place of a network."""

import asyncio
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.tags import with_changed_words
from nmt.errors import NmtError
from nmt.serving.app import LONG_TEXT, Interface, aside, in_turns
from nmt.serving.batcher import Batcher
from nmt.serving.catalogue import Catalogue, Served
from nmt.serving.keys import ApiKeys, read_keys
from nmt.serving.layout import Line
from nmt.serving.refusals import RefusedError
from nmt.serving.requests import Fields
from nmt.serving.state import Limits, State

EN_DE, FR_DE = ("en", "de"), ("fr", "de")
PAGE = {"/", "/page.css", "/page.js"}
GOOD = {"q": "sun", "source": "en", "target": "de"}


class Shouting:
    """Stands for a batcher: the best translation is in capitals, the next ones have marks."""

    def __init__(self, mark: str = "!") -> None:
        self.mark = mark
        self.asked: list[tuple[Line, ...]] = []

    async def translate(self, lines: Sequence[Line], candidates: int) -> list[list[Line]]:
        """Return the translations; a line with "slow" takes for ever, one with "fail" fails."""
        self.asked.append(tuple(lines))
        if "slow" in lines:
            await asyncio.sleep(100)
        if "fail" in lines:
            raise RefusedError(500, "the translation failed: x")
        if "bug" in lines:
            raise ZeroDivisionError("secret")
        return [[self.shout(line, rank) for rank in range(candidates)] for line in lines]

    def shout(self, line: Line, rank: int) -> Line:
        """Return a line in capitals, with marks for its rank."""
        end = self.mark * rank
        return line.upper() + end if isinstance(line, str) else louder(line, end)


def louder(line: Marked, end: str) -> Marked:
    """Return a text in capitals; if it has a word alone, marks follow it."""
    return with_changed_words(line, lambda part: part.upper() + ("" if " " in part else end))


def client(*pairs: tuple[str, str], **changes: Any) -> TestClient:
    """Return a client of an application; changes: fields of its state."""
    served = [Served(pair, cast(Batcher, Shouting()), 4) for pair in pairs or (EN_DE,)]
    state = replace(State(Catalogue(served), Limits(), ApiKeys()), **changes)
    return TestClient(Interface(state).app(), raise_server_exceptions=False)


def test_a_text_is_translated() -> None:
    answer = client().post("/translate", json=GOOD)
    assert answer.status_code == 200
    assert answer.json() == {"translatedText": "SUN"}


def test_a_form_is_translated() -> None:
    assert client().post("/translate", data=GOOD).json() == {"translatedText": "SUN"}


def test_others_have_their_turn_while_many_texts_are_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nmt.serving.app.TURN_SECONDS", -1)
    order = []

    async def work(name: str) -> None:
        async for number in in_turns(range(3)):
            order.append((name, number))

    async def both() -> None:
        await asyncio.gather(work("a"), work("b"))

    asyncio.run(both())
    assert order == [(name, number) for number in range(3) for name in "ab"]


def test_others_have_their_turn_while_a_long_text_is_divided() -> None:
    """It is divided in a thread, and a short one is not."""
    answered = threading.Event()

    def divide(text: str) -> str:
        assert len(text) < 9 or answered.wait(60)
        return text.upper()

    async def other() -> None:
        answered.set()

    async def both(text: str) -> str:
        found, _ = await asyncio.gather(aside(text, divide, text), other())
        return found

    assert asyncio.run(both("short")) == "SHORT"
    answered.clear()
    text = "long " * LONG_TEXT
    assert asyncio.run(both(text)) == text.upper()


def test_long_pages_are_translated() -> None:
    page = "<p>The <b>sun</b> shines.</p>" * 300
    found = client().post("/translate", json={**GOOD, "q": page, "format": "html"}).json()
    assert found == {"translatedText": "<p>THE <b>SUN</b> SHINES.</p>" * 300}


def test_lists_html_and_alternatives() -> None:
    one = client()
    assert one.post("/translate", json={**GOOD, "q": ["a\nb", "", "c"]}).json() == {
        "translatedText": ["A\nB", "", "C"]
    }
    found = one.post("/translate", json={**GOOD, "q": "<b>sun</b>", "format": "html"}).json()
    assert found == {"translatedText": "<b>SUN</b>"}
    page = {**GOOD, "q": "<p>The <b>sun</b> shines.</p>", "format": "html", "alternatives": 1}
    found = one.post("/translate", json=page).json()
    assert found["translatedText"] == "<p>THE <b>SUN</b> SHINES.</p>"
    assert found["alternatives"] == ["<p>THE <b>SUN!</b> SHINES.</p>"]
    found = one.post("/translate", json={**GOOD, "alternatives": 2}).json()
    assert found == {"translatedText": "SUN", "alternatives": ["SUN!", "SUN!!"]}
    found = one.post("/translate", json={**GOOD, "q": ["a"], "alternatives": 99}).json()
    assert found == {"translatedText": ["A"], "alternatives": [["A!", "A!!", "A!!!"]]}
    assert one.post("/translate", json={**GOOD, "q": []}).json() == {"translatedText": []}


def test_codes_with_capitals_are_found() -> None:
    one = client(("en", "zh-Hans"))
    for code in ("zh-Hans", "zh-hans", "ZH-HANS"):
        assert one.post("/translate", json={**GOOD, "target": code}).json() == {
            "translatedText": "SUN"
        }
    assert one.get("/languages").json()[0]["targets"] == ["zh-Hans"]


def test_languages_and_auto() -> None:
    one = client()
    assert one.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": []},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]
    found = one.post("/translate", json={**GOOD, "source": "auto"}).json()
    assert found["detectedLanguage"] == {"confidence": 100.0, "language": "en"}
    two = client(EN_DE, FR_DE)
    answer = two.post("/translate", json={**GOOD, "source": "auto"})
    assert answer.status_code == 400
    assert "does not detect languages" in answer.json()["error"]
    assert "en or fr" in answer.json()["error"]


@pytest.mark.parametrize("pairs", [(EN_DE,), (EN_DE, FR_DE)], ids=["one", "two"])
def test_languages_are_not_detected(pairs: tuple[tuple[str, str], ...]) -> None:
    """One model does not make every text one of its language."""
    answer = client(*pairs).post("/detect", json={"q": "Guten Tag"})
    assert answer.status_code == 501
    assert "does not detect languages" in answer.json()["error"]
    for body in ({}, {"json": {"q": ""}}, {"data": {"source": "en"}}):
        answer = client(*pairs).post("/detect", **cast(Any, body))
        assert answer.status_code == 400
        assert answer.json() == {"error": "Invalid request: missing q parameter"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": "zz"}, "zz is not supported"),
        ({"source": "zz"}, "zz is not supported"),
        ({"source": "auto", "target": "zz"}, "zz is not supported"),
        ({"source": "auto", "target": "auto"}, "auto is not supported"),
        ({"target": "<b>" * 90}, "<b><b><b><b><b><b><b is not supported"),
        (
            {"source": "DE", "target": "fr"},
            "French (fr) is not available as a target language from German (de)",
        ),
    ],
    ids=["target", "source", "auto", "auto-target", "long", "pair"],
)
def test_an_unknown_pair_is_refused(changes: dict[str, str], reason: str) -> None:
    answer = client(EN_DE, FR_DE).post("/translate", json={**GOOD, **changes})
    assert (answer.status_code, answer.json()) == (400, {"error": reason})


def test_the_description_names_all_paths_and_no_others() -> None:
    described = client().get("/spec").json()
    assert described["openapi"].startswith("3.")
    found = {(path, name.upper()) for path, item in described["paths"].items() for name in item}
    state = State(Catalogue([]), Limits(), ApiKeys())
    routes = [each for each in Interface(state).routes() if each.path not in PAGE]
    assert found == {(each.path, name) for each in routes for name in each.methods or ["GET"]} - {
        (each.path, "HEAD") for each in routes
    }
    text = json.dumps(described)
    for name in re.findall(r'"#/components/(\w+/\w+)"', text):
        kind, _, key = name.partition("/")
        assert key in described["components"][kind]
    fields = described["components"]["schemas"]["TranslationRequest"]["properties"]
    assert {*fields} == {*Fields.__dataclass_fields__} - {"file"}


def test_limits_are_told_by_status(capfd: pytest.CaptureFixture[str]) -> None:
    limits = Limits(characters=10, seconds=0.05, queue=1)
    one = client(limits=limits)
    assert one.post("/translate", json={**GOOD, "q": "a" * 11}).status_code == 413
    assert one.post("/translate", content=b" " * 70_000).status_code == 413
    late = one.post("/translate", json={**GOOD, "q": "slow"})
    assert late.status_code == 503
    assert late.headers["retry-after"] == "1"
    full = client(limits=replace(limits, queue=0)).post("/translate", json=GOOD)
    assert full.status_code == 429
    assert int(full.headers["retry-after"]) >= 1
    assert one.get("/frontend/settings").json()["charLimit"] == 10
    assert capfd.readouterr().err == ""


def test_other_paths_and_methods() -> None:
    one = client()
    assert one.get("/nothing").status_code == 404
    wrong = one.get("/translate")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert set(wrong.json()) == {"error"}
    assert one.head("/health").status_code == 200


def test_keys_open_the_server() -> None:
    one = client(keys=ApiKeys(["secret", "other"]))
    assert one.get("/languages").status_code == 200
    assert one.get("/frontend/settings").json()["keyRequired"] is True
    for key in ("", "secre", "secrets", "Secret", "\u2603"):
        refused = one.post("/translate", json={**GOOD, "api_key": key})
        assert refused.status_code == 403
        reason = "Invalid" if key else "Please contact the server operator to get an"
        assert refused.json() == {"error": f"{reason} API key"}
    for key in ("secret", "other"):
        assert one.post("/translate", data={**GOOD, "api_key": key}).status_code == 200


def test_a_stopping_server_says_so_and_closes_connections() -> None:
    one = client(is_stopping=True)
    answer = one.get("/health")
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    assert one.post("/translate", json=GOOD).status_code == 200  # it was accepted
    assert client().get("/health").json() == {"status": "ok"}


def test_failures_are_counted_and_logged_without_texts(capfd: pytest.CaptureFixture[str]) -> None:
    one = client(logs_access=True)
    assert one.post("/translate", json={**GOOD, "q": "fail"}).status_code == 500
    bug = one.post("/translate", json={**GOOD, "q": "bug"})
    assert (bug.status_code, bug.json()) == (500, {"error": "a bug in the server"})
    logged = capfd.readouterr().err
    assert "a bug: ZeroDivisionError" in logged
    assert "POST /translate 500" in logged
    assert "secret" not in logged
    metrics = one.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'nmt_requests_total{path="/translate",status="500"} 2' in metrics.text
    assert "nmt_requests_waiting 0" in metrics.text


def test_metrics_have_prometheus_form() -> None:
    one = client()
    one.post("/translate", json=GOOD)
    lines = one.get("/metrics").text.splitlines()
    values = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    for name, _, value in values:
        float(value)
        assert name.partition("{")[0].replace("_", "a").isalnum()
    assert 'nmt_characters_total{pair="en-de"} 3' in lines
    counts = [int(v) for n, _, v in values if n.startswith("nmt_request_seconds_bucket")]
    assert counts == sorted(counts)
    assert counts[-1] == 1


def test_the_page_allows_only_its_own_files() -> None:
    one = client()
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "javascript")):
        answer = one.get(path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in answer.headers


def test_other_sites_may_not_read_answers() -> None:
    answer = client().post("/translate", json=GOOD, headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_answers_are_utf_8() -> None:
    answer = client().post("/translate", content=json.dumps({**GOOD, "q": "größe ☃ 😀"}))
    assert answer.json() == {"translatedText": "GRÖSSE ☃ 😀"}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.txt"


def test_key_files(key_file: Path) -> None:
    assert not read_keys(None).are_required
    key_file.write_text("# mine\n\n one \ntwo\n")
    keys = read_keys(key_file)
    assert keys.accept("one")
    assert keys.accept("two")
    assert not keys.accept("# mine")
    key_file.write_text("# nothing\n")
    with pytest.raises(NmtError, match="has no API key"):
        read_keys(key_file)
    with pytest.raises(NmtError, match="does not exist"):
        read_keys(key_file.with_name("none"))


def test_no_client_chooses_where_others_are_sent() -> None:
    answer = client().get("/languages/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is no such path; see /languages and /translate"}


def test_a_head_that_is_too_long_is_refused() -> None:
    one = client()
    assert one.get("/health", headers={"X": "x" * 16_000}).status_code == 200
    for path, header in (("/health", "x" * 16_384), ("/health?" + "x" * 10_000, "x" * 6400)):
        answer = one.get(path, headers={"X": header})
        assert (answer.status_code, answer.headers["connection"]) == (431, "close")
        assert "more than 16,384 bytes" in answer.json()["error"]


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed() -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "5"}
    answer = client().post("/translate", content=b"hello", headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")
    assert "both Content-Length and Transfer-Encoding" in answer.json()["error"]
