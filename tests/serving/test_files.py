"""Files are uploaded, translated by their formats, and downloaded; whatever is in them."""

import asyncio
import multiprocessing
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

import nmt
from nmt.serving import files
from nmt.serving.files import Download, Downloads, name_of_translation
from nmt.serving.refusals import RefusedError
from nmt.serving.state import Limits
from tests.serving.running import AS_IS, Running, running
from tests.serving.test_app import client
from tests.waiting import wait_until

PAIR = {"source": "en", "target": "de"}
NAMES = "attachment; filename=\"na_ve page_de.HTML\"; filename*=UTF-8''na%C3%AFve%20page_de.HTML"
PAGE = b'<html lang="en"><p>The <b>sun</b> shines. 12</p><script>sun</script></html>'
SHOUTED = b'<html lang="de"><p>THE <b>SUN</b> SHINES. 12</p><script>sun</script></html>'
SLOW = b"- a\n" * 250_000  # takes more than a minute


def upload(one: TestClient | httpx.Client, name: str, content: bytes, **fields: str) -> Any:
    """Return the answer to an upload."""
    return one.post("/translate_file", files={"file": (name, content)}, data={**PAIR, **fields})


def test_a_file_is_translated_by_its_format() -> None:
    one = client()
    answer = upload(one, "naïve page.HTML", PAGE)
    assert answer.status_code == 200
    address = answer.json()["translatedFileUrl"]
    for _ in range(2):
        found = one.get(address)
        assert found.content == SHOUTED
        name = found.headers["content-disposition"]
        assert name == NAMES
        assert found.headers["content-type"] == "application/octet-stream"
    other = upload(one, "page.html", PAGE, source="auto").json()["translatedFileUrl"]
    assert other != address
    assert one.get("/download_file/page.html").status_code == 404


def test_its_address_is_that_of_the_web_server_in_front() -> None:
    headers = {"Host": "example.org", "X-Forwarded-Proto": "https"}
    answer = client().post("/translate_file", files={"file": ("a.txt", b"sun")}, data=PAIR)
    assert answer.json()["translatedFileUrl"].startswith("http://testserver/download_file/")
    answer = client().post(
        "/translate_file", files={"file": ("a.txt", b"sun")}, data=PAIR, headers=headers
    )
    assert answer.json()["translatedFileUrl"].startswith("https://example.org/download_file/")


def test_the_settings_name_the_files() -> None:
    settings = client().get("/frontend/settings").json()
    assert settings["filesTranslation"] is True
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
        ("a.docx", b"x", {}, 400, "Invalid request: a.docx: "),
        ("a.xlf", b"<tmx/>", {}, 400, "Invalid request: a.xlf: "),
        ("a.txt", b"\xff", {}, 400, "Invalid request: a.txt: line 1: "),
        ("../a.json", b"[" * 9000, {}, 400, "Invalid request: a.json"),
    ],
    ids=[
        *(
            "empty",
            "kind",
            "table",
            "source",
            "target",
            "long",
            "large",
            "damaged",
            "root",
            "bytes",
        ),
        "nested",
    ],
)
def test_what_is_no_file_to_translate_is_refused(
    name: str, content: bytes, fields: dict[str, str], status: int, reason: str
) -> None:
    one = client(limits=Limits(characters=100, file_bytes=100_000))
    answer = upload(one, name, content, **fields)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(reason)
    assert "--" not in answer.json()["error"]  # a client has no options
    missing = one.post("/translate_file", data=PAIR)
    assert missing.json() == {"error": "Invalid request: missing file parameter"}


def test_a_file_that_takes_too_long_ends_with_its_process() -> None:
    before = {*multiprocessing.active_children()}
    answer = upload(client(limits=Limits(seconds=1)), "a.md", SLOW)
    assert answer.status_code == 503
    wait_until(lambda: {*multiprocessing.active_children()} == before)


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_MEMORY", 16 << 20)  # room to say so
    answer = upload(client(), "a.txt", b"sun " * 2_000_000)
    assert answer.status_code == 413
    assert "memory" in answer.json()["error"]


def test_translations_are_kept_for_some_time_and_in_some_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "MOST_KEPT_BYTES", 20)
    monkeypatch.setattr(files, "KEPT_SECONDS", 0.1)
    kept = Downloads()

    async def use() -> None:
        first, *others = [kept.add(Download(f"{n}.txt", b"x" * 9)) for n in range(3)]
        assert [kept.get(each).name for each in others] == ["1.txt", "2.txt"]
        with pytest.raises(RefusedError, match="no such file"):
            kept.get(first)
        await asyncio.sleep(0.3)
        with pytest.raises(RefusedError) as gone:
            kept.get(others[1])
        assert gone.value.status == 404

    asyncio.run(use())


def test_names_of_translations() -> None:
    assert name_of_translation("report.docx", "de") == "report_de.docx"
    assert name_of_translation("a\r\nb.txt", "de") == "ab_de.txt"
    assert name_of_translation(".html", "de") == "translation_de.html"


def test_a_name_stays_within_its_quotes() -> None:
    plain = Download('a"; x=\\%22\r\n\u2603.txt', b"").disposition.partition("; filename*=")[0]
    assert plain == 'attachment; filename="a_; x=__22___.txt"'


def test_the_file_is_that_of_nmt_translate(server: Running, tiny_run: Path, tmp_path: Path) -> None:
    page, expected = tmp_path / "page.html", tmp_path / "expected.html"
    page.write_bytes(b"".join(b"<p>sun moon star %d. Rain?</p>" % n for n in range(9)))
    as_is = AS_IS[1].partition("=")
    model = nmt.load(tiny_run, device="cpu", notify=lambda _: None)
    model.translate_file(page, expected, settings={as_is[0]: as_is[2]})
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as one:
        found = [upload(one, "page.html", page.read_bytes()) for _ in range(2)]
        for each in found:
            assert one.get(each.json()["translatedFileUrl"]).content == expected.read_bytes()


def test_a_stop_leaves_no_process(tiny_run: Path) -> None:
    """A process that reads a file ends with the server, which does not wait for it."""
    with running(tiny_run, "--processes", 1, "--grace", 0) as server:

        def send() -> None:
            with (
                suppress(httpx.TransportError),
                httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as one,
            ):
                upload(one, "a.md", SLOW)

        thread = threading.Thread(target=send)
        thread.start()
        wait_until(lambda: len(server.workers()) == 2)
        processes = server.workers()
        assert server.stop() == 128 + signal.SIGTERM
        thread.join()
    wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in processes))
