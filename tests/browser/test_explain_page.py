"""The page of `nmt explain` in Chromium: clicks and keys show the model's numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

from nmt.decoding.models.alignment import aligning_attention
from nmt.runs.trained_model import load_model
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.page import page_data
from tests.browser.conftest import ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, END, HOME, Browser, write

GO_TO = "document.getElementById(arguments[0]).scrollIntoView({ behavior: 'instant' })"


def number(text: str) -> float:
    """Parse a number as the page writes it."""
    return float(text.replace("\u2212", "-").removesuffix("%").replace("<", "").strip())


def shown(browser: Browser, selector: str) -> list[float]:
    """Return the numbers that elements show; empty ones show none."""
    return [number(text) for text in browser.texts(selector) if text]


def alignment_weights(explanation: Explanation) -> torch.Tensor:
    """Return the weights (T, S) that align words."""
    aligning = aligning_attention(explanation.model)
    heads = explanation.recording.attention[f"decoder.{aligning.layer}.cross_attention"].weights
    return heads.mean(0) if aligning.head is None else heads[aligning.head]


@pytest.mark.parametrize(
    ("view", "kind", "head"),
    [("encoder", "self", 0), ("decoder", "self", 1), ("decoder", "cross", 1)],
)
def test_a_clicked_head_shows_its_weights_and_their_arithmetic(
    browser: Browser, explain_page: Path, explanation: Explanation, view: str, kind: str, head: int
) -> None:
    browser.open(explain_page)
    if view == "decoder":
        browser.click(f"#decoder [data-value={kind}]")
        assert browser.run("return document.activeElement.dataset.value") == kind
    button = f"#{view} [data-layer='0'][data-head='{head}']"
    browser.click(button)
    assert browser.one(button).get_attribute("aria-pressed") == "true"
    seen = explanation.recording.attention[f"{view}.0.{kind}_attention"]
    queries = browser.all(f"#{view} .queries [data-query]")
    assert len(queries) == seen.weights.shape[1]
    for query in range(len(queries)):
        browser.focus(f"#{view} [data-query='{query}']")
        expected = seen.weights[head, query].tolist()
        visible = expected[: query + 1] if (view, kind) == ("decoder", "self") else expected
        assert shown(browser, f"#{view} [data-weight]") == pytest.approx(visible, abs=1e-4)
        scores = torch.tensor(shown(browser, f"#{view} [data-score]"))
        assert scores.softmax(-1).tolist() == pytest.approx(visible, abs=2e-3)
        assert f"Head {head + 1} of layer 1" in browser.text(f"#{view} .reading")
        next_to_keys = shown(browser, f"#{view} .keys .weight")
        assert next_to_keys == pytest.approx(visible, abs=0.0051)


def test_the_pointer_chooses_a_query_unless_it_rests(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    """When keys scroll the page, a token may move under the pointer."""
    browser.open(explain_page)
    browser.click("#encoder [data-layer='0'][data-head='1']")
    weights = explanation.recording.attention["encoder.0.self_attention"].weights[1]
    for query in (3, 1):
        browser.hover(f"#encoder [data-query='{query}']")
        assert shown(browser, "#encoder [data-weight]") == pytest.approx(
            weights[query].tolist(), abs=1e-4
        )
    lines = browser.all("#encoder path.strong")
    assert len(lines) == sum(weight >= 0.01 for weight in weights[1].tolist())
    browser.focus("#encoder [data-query='3']")
    reading = browser.text("#encoder .reading")
    rows = [int(browser.one(f"#encoder [data-query='{n}']").rect["y"]) for n in (1, 2)]
    browser.run("scrollBy({ top: arguments[0], behavior: 'instant' })", rows[1] - rows[0])
    browser.until(lambda: bool(browser.all("#encoder [data-query='2']:hover")))
    assert browser.text("#encoder .reading") == reading


def test_all_heads_are_shown_at_once(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    browser.click("#encoder [data-head='all']")
    browser.focus("#encoder [data-query='2']")
    mean = explanation.recording.attention["encoder.0.self_attention"].weights[:, 2].mean(0)
    next_to_keys = shown(browser, "#encoder .keys .weight")
    assert next_to_keys == pytest.approx(mean.tolist(), abs=0.0051)
    colours = {line.value_of_css_property("stroke") for line in browser.all("#encoder path.strong")}
    assert len(colours) == 2
    assert not browser.one("#encoder [data-value=scores]").is_enabled()
    assert "All heads of layer 1" in browser.text("#encoder .reading")


def test_heads_tokens_and_cells_are_read_by_keys_alone(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    browser.focus("#encoder .head-map [tabindex='0']")
    for key in (HOME, ARROW_RIGHT, " "):
        browser.press(key)
    assert "Head 2 of layer 1" in browser.text("#encoder .reading")
    browser.focus("#encoder .queries [tabindex='0']")
    for key in (HOME, ARROW_DOWN):
        browser.press(key)
    assert browser.one("#encoder [data-query='1']").get_attribute("aria-pressed") == "true"
    assert len(browser.all("#encoder .queries [tabindex='0']")) == 1
    browser.focus("#encoder canvas.cells")
    for key in (ARROW_DOWN, ARROW_DOWN, ARROW_RIGHT):
        browser.press(key)
    seen = explanation.recording.attention["encoder.0.self_attention"]
    assert browser.text("#tip").endswith(f": {float(seen.weights[1, 2, 1]):.4f}")
    assert browser.text("#spoken") == browser.text("#tip")
    browser.focus("#encoder .layer-steps canvas")  # a strip: down moves by ten
    for key in (ARROW_RIGHT, ARROW_DOWN):
        browser.press(key)
    vector = explanation.recording.inputs["encoder.0"][2]
    tip = browser.text("#tip")
    assert tip.startswith("dimension 10: ")
    assert number(tip.partition(": ")[2]) == pytest.approx(float(vector[10]), abs=2e-3)


def test_keys_and_values_are_drawn_once_a_head(browser: Browser, explain_page: Path) -> None:
    """Another query does not paint them again, so that 50 tokens stay fast."""
    browser.open(explain_page)
    drawn = "[...document.querySelectorAll('#encoder .arithmetic tbody canvas')]"
    browser.run(f"for (const canvas of {drawn}) canvas.mark = 1")
    browser.focus("#encoder [data-query='2']")
    assert browser.run(f"return {drawn}.length") == 2 * len(browser.all("#encoder [data-query]"))
    assert browser.run(f"return {drawn}.every((canvas) => canvas.mark)")


def test_the_temperature_reshapes_the_probabilities(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    rows = "#probabilities tr[data-token]"
    for temperature, key in ((1.1, ARROW_RIGHT), (0.9, ARROW_LEFT)):
        browser.click("#probabilities [aria-label^='Reset to temperature 1']")
        slider = browser.one("#probabilities input[type=range]")
        slider.send_keys(key)
        assert slider.get_attribute("aria-valuetext") == f"{temperature:.1f}"
        expected = (explanation.logits[1].double() / temperature).softmax(-1)
        tokens = [int(str(row.get_attribute("data-token"))) for row in browser.all(rows)]
        shares = [share / 100 for share in shown(browser, f"{rows} td:nth-child(3)")]
        assert shares == pytest.approx(expected[tokens].tolist(), abs=6e-4)


def test_decoding_is_stepped_through(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    last = len(explanation.target_outputs) - 1
    for step in (0, 1, last):
        browser.click(f"#probabilities [data-step='{step}']")
        token = explanation.target_outputs[step]
        assert browser.one("#probabilities tr.chosen").get_attribute("data-token") == str(token)
        assert len(browser.all("#probabilities .steps .to-come")) == last - step
        entropy = f"Entropy at temperature 1: {explanation.next_tokens[step].entropy:.2f} bits"
        assert entropy in browser.text("#probabilities .next-tokens")
    assert not browser.one("#probabilities [aria-label='Next step']").is_enabled()
    browser.click("#probabilities [aria-label='Previous step']")
    assert len(browser.all("#probabilities .steps .to-come")) == 1


def test_the_beam_is_a_tree_that_is_stepped_through(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    nodes = page_data(explanation)["beam"]["nodes"]
    last = max(nodes["step"])
    assert len(browser.all("#beam .node")) == len(nodes["step"])
    for step in (last, last - 1):
        visible = browser.all("#beam .node:not(.later)")
        assert len(visible) == sum(own <= step for own in nodes["step"])
        assert f"step {step} of {last}" in browser.text("#beam .controls")
        browser.click("#beam [aria-label='One step back']")
    browser.focus("#beam input[type=range]")
    browser.press(END)
    assert len(browser.all("#beam .node.won")) == len(nodes["wins"])
    detail = browser.text("#beam .beam-detail")
    assert "finished, and it wins" in detail
    assert f"score \u2212{abs(explanation.best.score):.3f}" in detail
    pruned = next(n for n, status in enumerate(nodes["status"]) if status == "pruned")
    browser.focus(f"#beam [data-node='{pruned}']")
    detail = browser.text("#beam .beam-detail")
    assert "pruned" in detail
    assert f"log p = \u2212{abs(nodes['log_prob'][pruned]):.3f}" in detail
    table = shown(browser, "#beam .chosen td.n")
    log_prob, score = explanation.best.log_prob, explanation.best.score
    assert table == pytest.approx([log_prob, log_prob / score, score], abs=1e-3)
    browser.focus("#beam [data-node='0']")
    assert "begins with the start token" in browser.text("#beam .beam-detail")
    followed = "return document.activeElement.dataset.node"
    browser.press(ARROW_RIGHT)
    first = int(str(browser.run(followed)))
    assert first in nodes["wins"]
    browser.press(ARROW_DOWN)
    assert browser.run(followed) not in ("0", str(first))
    browser.press(ARROW_LEFT)
    assert browser.run(followed) == "0"


def test_a_choice_in_one_section_is_seen_in_all(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    target, weights = 2, alignment_weights(explanation)
    source = int(weights[target, :-1].argmax())
    browser.click(f"#probabilities [data-step='{target}']")
    chosen = {
        "tokens": f".source [data-position='{source}'][aria-pressed=true]",
        "embedding": f"tr.chosen:nth-child({source + 1})",
        "encoder": f"[data-query='{source}'][aria-pressed=true]",
        "decoder": f"[data-query='{target}'][aria-pressed=true]",
        "beam": ".node.here.wins[aria-label*='step 3']",
        "alignment": ".sentence.source .word[aria-pressed=true]",
    }
    for section, selector in chosen.items():
        browser.run(GO_TO, section)
        browser.until(lambda: bool(browser.all(f"#{section} {selector}")))  # noqa: B023
    top = browser.run("return scrollY")
    browser.focus("#alignment .sentence.source .word:first-child")
    assert browser.run("return scrollY") == top  # what other sections draw does not scroll the page
    for section, selector in {"tokens": ".chip", "encoder": ".queries button"}.items():
        browser.run(GO_TO, section)
        first = f"#{section} {selector}[aria-pressed=true]"
        browser.until(lambda: browser.one(first) == browser.one(f"#{section} {selector}"))  # noqa: B023
    browser.focus("#beam .node.wins[aria-label*='step 2']")
    browser.run(GO_TO, "probabilities")
    pressed = "#probabilities [data-step='1'][aria-pressed=true]"
    browser.until(lambda: bool(browser.all(pressed)))


def test_sums_are_shown_product_by_product(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    browser.open(explain_page)
    head = explanation.recording.attention["encoder.0.self_attention"]
    browser.click("#encoder [data-layer='0'][data-head='1']")
    browser.focus("#encoder [data-query='2']")
    browser.focus("#encoder .arithmetic tbody tr:nth-child(2) .pick")
    (total,) = shown(browser, "#encoder .arithmetic b")
    assert total == pytest.approx(float(head.query[1, 2] @ head.key[1, 1]), abs=6e-3)
    browser.focus("#encoder .layer-steps tr:has(.made):nth-last-child(3) canvas")
    for key in (ARROW_RIGHT, ARROW_RIGHT):
        browser.press(key)
    hidden = explanation.recording.inputs["encoder.0.feed_forward.outer"]
    made = browser.text("#encoder .layer-steps tr:nth-last-child(3) .made")
    assert made.startswith("number 1: ")
    assert number(made.partition(") = ")[2].split(". ")[0]) == pytest.approx(
        float(hidden[2, 1]), abs=6e-3
    )
    row = "#probabilities tr[data-token]:nth-child(3)"
    browser.focus(f"{row} .pick")
    logit = shown(browser, f"{row} td:nth-child(2)")
    assert shown(browser, "#probabilities [data-logit]") == pytest.approx(logit, abs=0.02)


@pytest.mark.parametrize("section", ["encoder", "beam", "alignment"])
def test_pictures_are_saved(
    browser: Browser, explain_page: Path, tmp_path: Path, section: str
) -> None:
    browser.open(explain_page)
    behavior = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    for number in (1, 2):
        browser.click(f"#{section} .save button:nth-of-type({number})")
    browser.until(lambda: {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"})
    png, svg = sorted(tmp_path.iterdir(), key=lambda path: path.suffix)
    assert png.stem == svg.stem
    assert png.stem.startswith(f"tiny-{section}-")
    picture = ElementTree.fromstring(svg.read_text("utf-8"))
    width = int.from_bytes(png.read_bytes()[16:20])
    assert width == 2 * int(picture.attrib["width"])
    texts = [*picture.iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) > 5
    assert all(text.attrib["font-size"] and not text.get("class") for text in texts)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"stopping": "safe"}, "no more than"),
        ({"stopping": "beam_finished"}, "are finished, as many as the beam holds"),
        ({"beam_size": 1}, "A beam of 1 stops at its first output"),
        ({"beam_size": 3, "max_extra_tokens": 0}, "The greatest length, "),
    ],
)
def test_the_page_says_why_the_search_ends(
    browser: Browser, skilled_run: Path, tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    model = load_model(skilled_run, "cpu")
    decode = replace(model.recipe.decode, length_penalty=2.0, max_extra_tokens=30)
    text = "moon" if "max_extra_tokens" not in settings else "sun moon star rain"
    explanation = explain(model, text, replace(decode, **settings))
    browser.open(write(tmp_path, explanation))
    note = browser.text("#beam .column > .scroll:last-child .note")
    assert reason in note
    assert note.endswith("so the search ends.")
