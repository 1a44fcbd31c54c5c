"""The page of `nmt serve` in a browser: it translates, also with the keyboard and when dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.audit import faint_texts, nameless_controls, tab_stops
from tests.browser.conftest import CONTROL, ENTER, Browser
from tests.serving.running import Running, running


@pytest.fixture(scope="module")
def served(skilled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve a model for two pairs that can be swapped, and ask for a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text("open sesame\n")
    back = ("--model", f"de-en={skilled_run / 'best.safetensors'}")
    options = ("--processes", 1, "--api-keys", keys, "--max-characters", 500, *back)
    with running(skilled_run, *options) as server:
        yield server


def show(browser: Browser, server: Running, width: int = 1000, *, dark: bool = False) -> None:
    """Open the page of a server, and wait until it knows the languages."""
    browser.open_address(f"http://127.0.0.1:{server.port}/", width, dark=dark)
    browser.until(lambda: bool(browser.all("body[data-ready]")))


def type_text(browser: Browser, text: str, key: str = "open sesame") -> None:
    """Type a key and a text; the text has the focus."""
    browser.run("arguments[0].value = arguments[1]", browser.one("#key"), key)
    browser.focus("#text")
    browser.press(text)


def translation_of(server: Running, text: str) -> str:
    return str(server.translate(text, api_key="open sesame"))


def test_it_translates_with_the_keyboard(browser: Browser, served: Running) -> None:
    show(browser, served)
    type_text(browser, "sun moon")
    assert browser.text("#count") == "8 of 500 characters"
    browser.press(CONTROL + ENTER)
    browser.until(lambda: bool(browser.text("#result")))
    assert browser.text("#result") == translation_of(served, "sun moon")
    assert browser.text("#time").endswith("seconds")
    assert browser.text("#error") == ""
    browser.shoot("serve")


def test_alternatives_are_listed(browser: Browser, served: Running) -> None:
    show(browser, served)
    type_text(browser, "sun moon star")
    assert not browser.one("#others").is_displayed()
    browser.click("#more")
    browser.click("#translate")
    browser.until(lambda: browser.one("#others").is_displayed())
    assert len(browser.texts("#list li")) == 3


def test_texts_are_never_markup(browser: Browser, served: Running) -> None:
    text = "<img src=x onerror=document.title=1> 1 < 2"
    show(browser, served)
    type_text(browser, text)
    browser.click("#translate")
    browser.until(lambda: bool(browser.text("#result")))
    assert browser.text("#result") == translation_of(served, text)
    assert browser.all("#result *") == []
    assert browser.run("return document.title") == "Translate"


def test_languages_are_swapped(browser: Browser, served: Running) -> None:
    show(browser, served)
    pair = (
        "return [document.querySelector('#source').value, document.querySelector('#target').value]"
    )
    assert browser.run(pair) == ["en", "de"]
    browser.click("#swap")
    assert browser.run(pair) == ["de", "en"]


def test_errors_are_shown(browser: Browser, served: Running) -> None:
    show(browser, served)
    type_text(browser, "sun", key="wrong")
    browser.click("#translate")
    browser.until(lambda: "API key" in browser.text("#error"))
    assert any(
        "403" in complaint for complaint in browser.complaints()
    )  # Chromium logs each refusal
    assert browser.text("#result") == ""


@pytest.mark.parametrize(("width", "dark"), [(360, False), (1000, True)])
def test_it_fits_the_window_and_can_be_read(
    browser: Browser, served: Running, width: int, dark: bool
) -> None:
    show(browser, served, width, dark=dark)
    type_text(browser, "sun" * 150)
    assert browser.overflow() <= 0
    assert faint_texts(browser, fewest=8) == {}
    browser.shoot(f"serve-{width}-{'dark' if dark else 'light'}")


def test_tab_visits_the_controls_with_a_visible_focus(browser: Browser, served: Running) -> None:
    show(browser, served)
    stops = tab_stops(browser)
    assert [stop for stop in stops if not stop[2]] == []
    assert nameless_controls(browser, 6) == []
    assert len(stops) >= 8
