"""The HTTP interface, with models that shout in place of a network."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.tags import with_changed_words
from nmt.errors import NmtError
from nmt.serving import requests, texts
from nmt.serving.app import FILES, LONG_TEXT, Interface, Options, read_keys
from nmt.serving.batcher import Batcher, Direction
from nmt.serving.metrics import Metrics
from nmt.serving.requests import Fields
from nmt.serving.worker import Line

EN_DE, FR_DE = ("en", "de"), ("fr", "de")
GOOD = {"q": "sun", "source": "en", "target": "de"}


class Shouting:
    """Stands for a batcher: the best translation is in capitals, the next ones have marks."""

    process_ids: Sequence[int] = ()
    most_candidates = 4

    async def translate(
        self, lines: Sequence[Line], candidates: int, language: str
    ) -> list[list[Line]]:
        """Return the translations; a line with "slow" takes for ever, one with "fail" fails."""
        if "slow" in lines:
            await asyncio.sleep(100)
        if "fail" in lines:
            raise HTTPException(500, "the translation failed: x")
        if "bug" in lines:
            raise ZeroDivisionError("secret")
        return [[self.shout(line, "!" * rank) for rank in range(candidates)] for line in lines]

    def shout(self, line: Line, end: str) -> Line:
        """Return a line in capitals; the end follows it, or a word between its marks."""
        if isinstance(line, Marked):
            return with_changed_words(
                line, lambda part: part.upper() + ("" if " " in part else end)
            )
        return line.upper() + end


def client(*pairs: tuple[str, str], is_stopping: bool = False, **options: Any) -> TestClient:
    directions = [Direction(pair, cast(Batcher, Shouting())) for pair in pairs or (EN_DE,)]
    interface = Interface(directions, Options(**options), Metrics())
    interface.is_stopping = is_stopping
    return TestClient(interface, raise_server_exceptions=False)


def translate(one: TestClient, **changes: object) -> Any:
    return one.post("/translate", json={**GOOD, **changes}).json()


def test_texts_lists_html_and_alternatives() -> None:
    one = client()
    assert one.post("/translate", data=GOOD).json() == {"translatedText": "SUN"}
    assert translate(one, q="größe ☃ 😀") == {"translatedText": "GRÖSSE ☃ 😀"}
    assert translate(one, q=["a\nb", "", "c"]) == {"translatedText": ["A\nB", "", "C"]}
    assert translate(one, q="<b>sun</b>", format="html") == {"translatedText": "<b>SUN</b>"}
    found = translate(one, q="<p>The <b>sun</b> shines.</p>", format="html", alternatives=1)
    assert found["translatedText"] == "<p>THE <b>SUN</b> SHINES.</p>"
    assert found["alternatives"] == ["<p>THE <b>SUN!</b> SHINES.</p>"]
    assert translate(one, alternatives=2) == {
        "translatedText": "SUN",
        "alternatives": ["SUN!", "SUN!!"],
    }
    assert translate(one, q=["a"], alternatives=99) == {
        "translatedText": ["A"],
        "alternatives": [["A!", "A!!", "A!!!"]],
    }
    assert translate(one, q=[]) == {"translatedText": []}


def test_long_texts_are_read_divided_and_joined_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading the escapes of a form of 10 MB takes seconds."""
    names: list[str] = []

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any, **options: Any) -> Any:
            names.append(threading.current_thread().name)
            return work(*arguments, **options)

        return watch

    monkeypatch.setattr(requests, "read_fields", watched(requests.read_fields))
    monkeypatch.setattr(texts, "divide", watched(texts.divide))
    monkeypatch.setattr(texts, "candidates", watched(texts.candidates))
    for text in ("sun", "a" * (LONG_TEXT + 1)):
        answer = client().post("/translate", data={**GOOD, "q": text})
        assert answer.json() == {"translatedText": text.upper()}
    assert [name.startswith("asyncio_") for name in names] == [False] * 3 + [True] * 3


def test_codes_with_capitals_and_other_codes_of_a_language_are_found() -> None:
    one = client(("en", "zh-Hans"))
    for code in ("zh-Hans", "ZH-HANS", "zh", "zho"):
        assert translate(one, target=code) == {"translatedText": "SUN"}
    assert one.get("/languages").json()[0]["targets"] == ["zh-Hans"]


def test_languages_and_auto() -> None:
    one, two = client(), client(EN_DE, FR_DE)
    assert one.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": []},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]
    detected = {"confidence": 100.0, "language": "en"}
    assert translate(one, source="auto")["detectedLanguage"] == detected
    assert translate(one, source="auto", q=["a", "b"])["detectedLanguage"] == [detected] * 2
    answer = two.post("/translate", json={**GOOD, "source": "auto"})
    assert answer.status_code == 400
    assert "does not detect languages" in answer.json()["error"]
    assert "en or fr" in answer.json()["error"]
    settings = two.get("/frontend/settings").json()
    assert settings["language"]["target"] == {"code": "de", "name": "German"}


@pytest.mark.parametrize("pairs", [(EN_DE,), (EN_DE, FR_DE)], ids=["one", "two"])
def test_languages_are_not_detected(pairs: tuple[tuple[str, str], ...]) -> None:
    """One model does not make every text one of its language."""
    answer = client(*pairs).post("/detect", json={"q": "Guten Tag"})
    assert answer.status_code == 501
    assert "does not detect languages" in answer.json()["error"]
    answer = client(*pairs).post("/detect", json={"q": ""})
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
)
def test_an_unknown_pair_is_refused(changes: dict[str, str], reason: str) -> None:
    answer = client(EN_DE, FR_DE).post("/translate", json={**GOOD, **changes})
    assert (answer.status_code, answer.json()) == (400, {"error": reason})


def test_the_description_names_all_paths_and_no_others() -> None:
    described = client().get("/spec").json()
    assert described["openapi"].startswith("3.")
    found = {(path, name.upper()) for path, item in described["paths"].items() for name in item}
    routes = Interface([], Options(), Metrics()).routes
    page = {*FILES} - {"/spec"}
    assert found == {
        (route.path, method)
        for route in routes
        for method in {*(route.methods or ())} - {"HEAD"}
        if route.path not in page
    }
    for name in re.findall(r'"#/components/(\w+/\w+)"', json.dumps(described)):
        kind, _, key = name.partition("/")
        assert key in described["components"][kind]
    fields = described["components"]["schemas"]["TranslationRequest"]["properties"]
    assert {*fields} == {*Fields.__dataclass_fields__} - {"file"}


def test_limits_are_told_by_status(capfd: pytest.CaptureFixture[str]) -> None:
    one = client(characters=10, seconds=0.05, queue=1)
    assert one.post("/translate", json={**GOOD, "q": "a" * 11}).status_code == 413
    assert one.post("/translate", content=b" " * 70_000).status_code == 413
    late = one.post("/translate", json={**GOOD, "q": "slow"})
    assert (late.status_code, late.headers["retry-after"]) == (503, "1")
    full = client(queue=0, seconds=50).post("/translate", json=GOOD)
    assert (full.status_code, full.headers["retry-after"]) == (429, "5")
    assert one.get("/frontend/settings").json()["charLimit"] == 10
    assert capfd.readouterr().err == ""


def test_other_paths_and_methods() -> None:
    one = client()
    assert one.get("/nothing").status_code == 404
    wrong = one.get("/translate")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json() == {"error": "this path does not take GET"}
    assert one.head("/health").status_code == 200
    # No client chooses where others are sent.
    answer = one.get("/languages/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is no such path; see /languages and /translate"}


def test_keys_open_the_server() -> None:
    one = client(keys=["secret", "other"])
    assert one.get("/languages").status_code == 200
    assert one.get("/frontend/settings").json()["keyRequired"] is True
    for key in ("", "secre", "secrets", "Secret", "\u2603"):
        refused = one.post("/translate", json={**GOOD, "api_key": key})
        assert refused.status_code == 403
        reason = "Invalid" if key else "Please contact the server operator to get an"
        assert refused.json() == {"error": f"{reason} API key"}
    for key in ("secret", "other"):
        assert one.post("/translate", data={**GOOD, "api_key": key}).status_code == 200


def test_key_files(tmp_path: Path) -> None:
    assert read_keys(None) == []
    file = tmp_path / "keys.txt"
    file.write_text("# mine\n\n one \ntwo\n")
    assert read_keys(file) == ["one", "two"]
    file.write_text("# nothing\n")
    with pytest.raises(NmtError, match="has no API key"):
        read_keys(file)
    with pytest.raises(NmtError, match="does not exist"):
        read_keys(file.with_name("none"))


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
    translate(one)
    lines = one.get("/metrics").text.splitlines()
    for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#"):
        float(value)
        assert name.partition("{")[0].replace("_", "a").isalnum()
    assert 'nmt_characters_total{pair="en-de"} 3' in lines
    counts = [int(x.split()[1]) for x in lines if x.startswith("nmt_request_seconds_bucket")]
    assert counts == sorted(counts)
    assert counts[-1] == 1
    assert "nmt_request_seconds_count 1" in lines


def test_the_page_allows_only_its_own_files() -> None:
    one = client()
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "javascript")):
        answer = one.get(path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    answer = one.post("/translate", json=GOOD, headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed() -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "5"}
    answer = client().post("/translate", content=b"hello", headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")
    assert "both Content-Length and Transfer-Encoding" in answer.json()["error"]
