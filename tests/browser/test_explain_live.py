"""The page of `nmt explain` with its model: typing, settings, forced tokens, parts that are off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.studio.explain.explanation import Explanation, explain
from tests.browser.conftest import END, ENTER, SENTENCE, Browser, write
from tests.browser.test_explain_page import shown

OTHER = "moon sun tree"
# Keep each text that the page shows while the field holds another one.
WATCH = """
window.stale = [];
new MutationObserver(() => {
  const shown = document.querySelector("h1 .source").textContent;
  const typed = document.getElementById("text").value.trim();
  if (shown !== typed) stale.push([shown, typed]);
}).observe(document.querySelector("h1 .source"), { childList: true });
"""


def answered(browser: Browser) -> bool:
    """Return whether the page has answered what it was asked, and drawn all sections."""
    busy = "document.querySelector('.is-busy, main[aria-busy=true]')"
    return not browser.run(f"return {busy}")


def typed(browser: Browser, text: str) -> None:
    """Type a text in place of the one in the field, and wait for its translation."""
    browser.run("document.getElementById('text').select()")
    browser.focus("#text")
    browser.press(text)
    browser.press(ENTER)
    browser.until(lambda: answered(browser))


def pasted(browser: Browser, text: str) -> None:
    """Put a text of any characters into the field, and wait for the answer."""
    change = "const field = document.getElementById('text'); field.value = arguments[0];"
    browser.run("document.getElementById('status').textContent = ''")
    browser.run(f"{change} field.dispatchEvent(new Event('input'))", text)
    browser.until(lambda: browser.text("#status") != "" and answered(browser))


def acted(browser: Browser, selector: str, key: str = ENTER) -> None:
    """Press a key on a control, and wait for the answer."""
    browser.focus(selector)
    browser.press(key)
    browser.until(lambda: answered(browser))


def translation(browser: Browser) -> str:
    """Return the translation that the page shows."""
    return browser.text("h1 .target")


@pytest.fixture
def page(browser: Browser, explain_page: Path) -> Browser:
    """Open the page of a sentence."""
    browser.open(explain_page)
    return browser


def test_a_typed_sentence_changes_every_part(
    browser: Browser, page: Browser, explanation: Explanation
) -> None:
    """The sections show the numbers of the program for the text."""
    model = explanation.model
    expected = explain(model, OTHER, model.recipe.decode)
    browser.click("#encoder [data-layer='0'][data-head='1']")
    typed(browser, OTHER)
    assert translation(browser) == expected.translation
    assert browser.driver.title == f"How tiny translates: {OTHER}"
    assert browser.text("#spoken") == f"Translation: {expected.translation}"
    assert f"score \u2212{abs(expected.best.score):.3f}" in browser.text("#facts")
    ids = [*expected.source_ids, *expected.target_outputs]
    assert browser.texts("#tokens .chip small") == [str(token) for token in ids]
    assert len(browser.all("#encoder .queries [data-query]")) == len(expected.source_ids)
    pressed = browser.one("#encoder [data-layer='0'][data-head='1']")
    assert pressed.get_attribute("aria-pressed") == "true"
    seen = expected.recording.attention["encoder.0.self_attention"].weights
    browser.focus("#encoder [data-query='1']")
    weights = shown(browser, "#encoder [data-weight]")
    assert weights == pytest.approx(seen[1, 1].tolist(), abs=2e-3)
    assert len(browser.all("#probabilities [data-step]")) == len(expected.target_outputs)
    assert len(browser.all("#beam .node")) == len(expected.tree.nodes)
    words = [word.text for word in browser.all("#alignment .sentence.source .word")]
    assert words == OTHER.split()


def test_each_setting_changes_the_search(browser: Browser, page: Browser) -> None:
    first = translation(browser)
    browser.click("#settings summary")
    acted(browser, "#settings [aria-label='Beam size']", END)
    assert "beam 16" in browser.text("#facts")
    acted(browser, "#settings [aria-label='Length penalty']", END)
    assert "((5 + length) / 6)^2" in browser.text("#beam")
    acted(browser, "#settings input[type=number]", "2")
    assert len(browser.all("#probabilities [data-step]")) == 3  # the end token, too
    acted(browser, "#settings [data-value=sample]")
    assert "sampled" in browser.text("#facts")
    assert "Sampling draws one token after the other" in browser.text("#beam")
    acted(browser, "#settings [aria-label='Temperature']", END)
    acted(browser, "#settings [aria-label='Top k']", END)
    drawn = translation(browser)

    def draws_another() -> bool:
        acted(browser, "#settings .again")
        return translation(browser) != drawn

    browser.until(draws_another)
    acted(browser, "#settings .reset")
    assert translation(browser) == first


@pytest.mark.parametrize("section", ["probabilities", "beam"])
def test_a_chosen_token_is_forced(browser: Browser, page: Browser, section: str) -> None:
    """The translation begins with it until the reader takes it back."""
    first = translation(browser)
    if section == "probabilities":
        browser.click("#probabilities [data-step='0']")
        browser.focus("#probabilities tbody tr:nth-child(3) .pick")
        button = "#probabilities tbody tr:nth-child(3) .go-on"
    else:
        browser.hover("#beam .node.pruned")
        button = "#beam .go-on"
    token = browser.one(button).get_attribute("data-force")
    acted(browser, button if section == "probabilities" else "#beam .node.pruned")
    row = browser.texts("#tokens .chips.target .chip:first-child small")[0]
    assert row == token
    assert len(browser.all("#live-state .chip")) == 1
    assert browser.run("return document.activeElement.closest('details').id") == section
    acted(browser, "#live-state button")
    assert translation(browser) == first
    assert browser.text("#live-state") == ""
    assert browser.run("return document.activeElement.id") == "text"


def test_a_forced_token_is_not_forced_in_another_text(browser: Browser, page: Browser) -> None:
    """A setting that is changed right after the last key does not keep it."""
    browser.focus("#probabilities tbody tr:nth-child(3) .pick")
    acted(browser, "#probabilities tbody tr:nth-child(3) .go-on")
    assert len(browser.all("#live-state .chip")) > 0
    typing = "const field = document.getElementById('text'); field.value = arguments[0];"
    typing += "field.dispatchEvent(new Event('input')); document.querySelector('.reset').click()"
    browser.run(typing, OTHER)
    browser.until(lambda: browser.text("h1 .source") == OTHER and answered(browser))
    assert browser.all("#live-state .chip") == []


def test_parts_are_switched_off_and_compared(
    browser: Browser, page: Browser, explanation: Explanation
) -> None:
    first, facts = translation(browser), browser.text("#facts")
    logits = explanation.logits.double().log_softmax(-1).exp()
    before = [float(row[t]) for row, t in zip(logits, explanation.target_outputs, strict=True)]
    browser.click("#parts summary")
    for part in ("encoder.0.self_attention.1", "decoder.0.feed_forward", "positions"):
        acted(browser, f"[data-part='{part}']")
        assert browser.one(f"[data-part='{part}']").get_attribute("aria-pressed") == "true"
        shares = [share / 100 for share in shown(browser, ".compared td.n:nth-child(2)")]
        assert shares == pytest.approx(before, abs=2e-3)
        assert "changes most: its probability" in browser.text(".compared")
        assert browser.text("#facts") != facts  # the score of the changed model
    assert "LayerNorm(…)" in browser.texts("#decoder .formula")
    assert "3 parts are off" in browser.text("#live-state")
    typed(browser, OTHER)
    assert "3 parts are off" in browser.text("#live-state")
    typed(browser, SENTENCE)
    acted(browser, "#live-state button")
    assert browser.all(".compared > *") == []
    assert translation(browser) == first


def test_the_page_never_shows_a_text_that_is_typed_over(browser: Browser, page: Browser) -> None:
    browser.run(WATCH)
    browser.run("document.getElementById('text').select()")
    browser.focus("#text")
    for word in (OTHER * 3).split():
        browser.press(f"{word} ")
    browser.until(lambda: browser.text("h1 .source").startswith(OTHER) and answered(browser))
    assert browser.run("return stale") == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sun <script>document.title='hit'</script> <b>moon</b>", None),
        ("😀 שמש ירח", None),
        ("sun \r\n\n moon", "sun moon"),
        ("sun moon " * 250, ""),
        (" ", ""),
    ],
)
def test_any_text_is_a_text(
    browser: Browser, explain_page: Path, text: str, read: str | None
) -> None:
    """What cannot be translated leaves the last translation, with the reason."""
    browser.open(explain_page, 360)
    first = translation(browser)
    pasted(browser, text)
    assert browser.text("h1 .source") == (SENTENCE if read == "" else read or text)
    assert browser.all("h1 b, h1 script, #tokens-view b") == []
    assert browser.overflow() <= 0
    if read == "":
        assert browser.text("#status").endswith("The page still shows the last translation.")
        assert translation(browser) == first
        assert browser.one("h1 .source").is_displayed()


def test_one_field_feeds_two_models(
    browser: Browser, explanation: Explanation, tmp_path: Path
) -> None:
    names = ("one", "<b>two</b>")
    browser.open(write(tmp_path, explanation, explanation, names=names))
    typed(browser, OTHER)
    model = explanation.model
    expected = explain(model, OTHER, model.recipe.decode).translation
    assert browser.texts("h1 .target") == [f"{name}: {expected}" for name in names]
    assert len(browser.all("#tokens .chips.source")) == 2
    row = "#probabilities .of-model:last-child tbody tr:nth-child(3)"
    browser.focus(f"{row} .pick")
    acted(browser, f"{row} .go-on")
    assert browser.text("#live-state").startswith("<b>two</b>: ")


@pytest.fixture
def without_workers(browser: Browser) -> Iterator[None]:
    """Let pages run in a browser without workers."""
    script = {"source": "delete window.Worker"}
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    yield
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.usefixtures("without_workers")
def test_a_page_without_a_worker_is_read(browser: Browser, explain_page: Path) -> None:
    browser.open(explain_page)
    assert "nothing can be typed here" in browser.one("#typing").text
    assert not browser.one("#text").is_displayed()
    assert browser.all(".go-on") == []
    assert browser.one("h1 .source").text == SENTENCE


def test_a_page_without_its_model_says_why(
    browser: Browser, explanation: Explanation, tmp_path: Path
) -> None:
    browser.open(write(tmp_path, explanation, live=False))
    assert "--no-live" in browser.one("#typing").text
    assert not browser.one("#text").is_displayed()
    assert browser.all(".go-on, #settings:not([hidden])") == []
