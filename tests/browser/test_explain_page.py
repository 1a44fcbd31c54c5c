"""The page of `nmt explain` in Chromium: clicks and keys show the model's numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.decoding.models.alignment import aligning_attention
from nmt.runs.trained_model import load_model
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.page import page_data
from tests.browser.conftest import Browser, write

ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, HOME = "\ue015", "\ue012", "\ue014", "\ue011"


def number(text: str) -> float:
    """Parse a number as the page writes it."""
    return float(text.replace("\u2212", "-").removesuffix("%").replace("<", "").strip())


def shown(browser: Browser, selector: str) -> list[float]:
    """Return the numbers that elements show."""
    return [number(text) for text in browser.texts(selector)]


@pytest.mark.parametrize(
    ("view", "kind", "module"),
    [
        ("encoder", "self", "encoder.0.self_attention"),
        ("decoder", "self", "decoder.0.self_attention"),
        ("decoder", "cross", "decoder.0.cross_attention"),
    ],
)
@pytest.mark.parametrize("head", [0, 1])
def test_a_clicked_head_shows_its_weights_and_their_arithmetic(
    browser: Browser,
    page: Path,
    explanation: Explanation,
    view: str,
    kind: str,
    module: str,
    head: int,
) -> None:
    browser.open(page)
    if view == "decoder":
        browser.click(f"#decoder [data-value={kind}]")
    button = f"#{view} [data-layer='0'][data-head='{head}']"
    browser.click(button)
    assert browser.one(button).get_attribute("aria-pressed") == "true"
    seen = explanation.recording.attention[module]
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
        next_to_keys = [number(text) for text in browser.texts(f"#{view} .keys .weight") if text]
        assert next_to_keys == pytest.approx(visible, abs=0.0051)


def test_a_resting_pointer_does_not_change_the_query(browser: Browser, page: Path) -> None:
    """When keys scroll the page, a token may move under the pointer."""
    browser.open(page)
    browser.click("#encoder [data-query='1']")
    browser.focus("#encoder [data-query='3']")
    reading = browser.text("#encoder .reading")
    rows = [int(browser.one(f"#encoder [data-query='{n}']").rect["y"]) for n in (1, 2)]
    browser.run("scrollBy({ top: arguments[0], behavior: 'instant' })", rows[1] - rows[0])
    browser.until(lambda: bool(browser.all("#encoder [data-query='2']:hover")))
    assert browser.text("#encoder .reading") == reading


def test_hovering_a_token_shows_what_it_attends_to(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    browser.click("#encoder [data-layer='0'][data-head='1']")
    weights = explanation.recording.attention["encoder.0.self_attention"].weights[1]
    for query in (3, 0):
        browser.hover(f"#encoder [data-query='{query}']")
        token = browser.one(f"#encoder [data-query='{query}']")
        assert token.get_attribute("aria-pressed") == "true"
        assert shown(browser, "#encoder [data-weight]") == pytest.approx(
            weights[query].tolist(), abs=1e-4
        )
    lines = browser.all("#encoder path.strong")
    assert len(lines) == sum(weight >= 0.01 for weight in weights[0].tolist())


def test_all_heads_are_shown_at_once(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    browser.click("#encoder [data-head='all']")
    browser.focus("#encoder [data-query='2']")
    mean = explanation.recording.attention["encoder.0.self_attention"].weights[:, 2].mean(0)
    next_to_keys = shown(browser, "#encoder .keys .weight")
    assert next_to_keys == pytest.approx(mean.tolist(), abs=0.0051)
    colours = {each.value_of_css_property("stroke") for each in browser.all("#encoder path.strong")}
    assert len(colours) == 2
    assert "All heads of layer 1" in browser.text("#encoder .reading")


def test_a_matrix_cell_is_read_by_keys(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    browser.click("#encoder [data-layer='0'][data-head='1']")
    browser.focus("#encoder canvas.cells")
    for key in (ARROW_DOWN, ARROW_DOWN, ARROW_RIGHT):
        browser.press(key)
    weight = float(explanation.recording.attention["encoder.0.self_attention"].weights[1, 2, 1])
    assert browser.text("#tip").endswith(f": {weight:.4f}")
    assert browser.text("#spoken") == browser.text("#tip")


def test_heads_and_tokens_are_picked_by_keys_alone(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.focus("#encoder .head-map [tabindex='0']")
    browser.press(HOME)
    browser.press(ARROW_RIGHT)
    browser.press(" ")
    assert "Head 2 of layer 1" in browser.text("#encoder .reading")
    browser.focus("#encoder .queries [tabindex='0']")
    browser.press(HOME)
    first = browser.text("#encoder .reading")
    browser.press(ARROW_DOWN)
    assert browser.text("#encoder .reading") != first
    assert browser.one("#encoder [data-query='1']").get_attribute("aria-pressed") == "true"
    assert len(browser.all("#encoder .queries [tabindex='0']")) == 1


def test_a_choice_keeps_the_focus(browser: Browser, page: Path) -> None:
    for group, value in (("#embedding", "target"), ("#alignment", "all"), ("#decoder", "self")):
        browser.open(page)
        browser.focus(f"{group} [data-value={value}]")
        browser.press(" ")
        focused = browser.run("return document.activeElement.dataset.value")
        assert focused == value
        assert browser.one(f"{group} [data-value={value}]").get_attribute("aria-pressed") == "true"
    browser.open(page)
    browser.click("#embedding [data-value=target]")
    assert "start" in browser.text("#embedding tbody")


def test_keys_and_values_are_drawn_once_a_head(browser: Browser, page: Path) -> None:
    """Another query does not paint them again, so that 50 tokens stay fast."""
    browser.open(page)
    browser.run(
        "for (const each of document.querySelectorAll('#encoder tbody canvas')) each.mark = 1"
    )
    browser.focus("#encoder [data-query='2']")
    kept = "return document.querySelectorAll('#encoder .arithmetic tbody canvas')"
    assert browser.run(f"{kept}.length") == 2 * len(browser.all("#encoder [data-query]"))
    assert browser.run(f"return [...{kept.removeprefix('return ')}].every((each) => each.mark)")


def test_the_temperature_reshapes_the_probabilities(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    rows = "#probabilities tbody tr"
    for temperature, key in ((1.0, None), (1.1, ARROW_RIGHT), (0.9, ARROW_LEFT)):
        browser.click("#probabilities [aria-label^='Reset to temperature 1']")
        slider = browser.one("#probabilities input[type=range]")
        if key:
            slider.send_keys(key)
        assert slider.get_attribute("aria-valuetext") == f"{temperature:.1f}"
        expected = (explanation.logits[0].double() / temperature).softmax(-1)
        tokens = [int(str(row.get_attribute("data-token"))) for row in browser.all(rows)]
        shares = [share / 100 for share in shown(browser, f"{rows} td:nth-child(3)")]
        assert shares == pytest.approx(expected[tokens].tolist(), abs=6e-4)


def test_decoding_is_stepped_through(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    for step, token in enumerate(explanation.target_outputs):
        assert browser.one("#probabilities tr.chosen").get_attribute("data-token") == str(token)
        assert len(browser.all("#probabilities .steps .to-come")) == (
            len(explanation.target_outputs) - step - 1
        )
        entropy = f"Entropy at temperature 1: {explanation.next_tokens[step].entropy:.2f} bits"
        assert entropy in browser.text("#probabilities .next-tokens")
        if step + 1 < len(explanation.target_outputs):
            browser.click("#probabilities [aria-label='Next step']")
    assert not browser.one("#probabilities [aria-label='Next step']").is_enabled()
    browser.click("#probabilities [data-step='0']")
    assert not browser.one("#probabilities [aria-label='Previous step']").is_enabled()


def test_the_beam_is_a_tree_that_is_stepped_through(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    nodes = page_data(explanation)["beam"]["nodes"]
    last = max(nodes["step"])
    for step in range(last, -1, -1):
        visible = browser.all("#beam .node:not(.later)")
        assert len(visible) == sum(each <= step for each in nodes["step"])
        assert f"step {step} of {last}" in browser.text("#beam .controls")
        if step:
            browser.click("#beam [aria-label='One step back']")
    browser.focus("#beam input[type=range]")
    browser.press("\ue010")  # End
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


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        ("moon", {"stopping": "safe"}, "no more than"),
        ("moon", {"stopping": "beam_finished"}, "are finished, as many as the beam holds"),
        ("moon", {"beam_size": 1}, "A beam of 1 stops at its first output"),
        (
            "sun moon star rain",
            {"max_extra_tokens": 0},
            "The greatest length, 16 tokens, is reached",
        ),
    ],
)
def test_the_page_says_why_the_search_ends(
    browser: Browser,
    skilled_run: Path,
    tmp_path: Path,
    text: str,
    settings: dict[str, Any],
    reason: str,
) -> None:
    model = load_model(skilled_run, "cpu")
    decode = replace(model.recipe.decode, length_penalty=2.0, max_extra_tokens=30)
    explanation = explain(model, text, replace(decode, **settings), print)
    browser.open(write(explanation, tmp_path))
    note = browser.text("#beam-view > .scroll:last-child .note")
    assert reason in note
    assert note.endswith("so the search ends.")


def test_the_branches_are_followed_by_keys(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.focus("#beam [data-node='0']")
    assert "begins with the start token" in browser.text("#beam .beam-detail")
    browser.press(ARROW_RIGHT)
    first = browser.run("return document.activeElement.dataset.node")
    assert "wins" in str(browser.one(f"#beam [data-node='{first}']").get_attribute("class"))
    browser.press(ARROW_DOWN)
    assert browser.run("return document.activeElement.dataset.node") != first
    browser.press(ARROW_LEFT)
    assert browser.run("return document.activeElement.dataset.node") == "0"


def test_the_alignment_is_that_of_the_attention_that_aligns(
    browser: Browser, page: Path, explanation: Explanation
) -> None:
    browser.open(page)
    aligning = aligning_attention(explanation.model)
    heads = explanation.recording.attention[f"decoder.{aligning.layer}.cross_attention"].weights
    weights = heads.mean(0) if aligning.head is None else heads[aligning.head]
    drawn = [
        float(str(each.get_attribute("data-weight"))) for each in browser.all("#alignment path")
    ]
    assert drawn
    assert max(drawn) <= float(weights.sum(-1).max()) + 1e-3
    words = browser.all("#alignment .sentence.target .word")
    assert [each.text for each in words] == explanation.translation.split()
    browser.focus("#alignment .sentence.target .word")
    assert browser.text("#alignment .reading").startswith(f"{words[0].text} attends to ")


def test_sections_fold(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.one("#beam .beam-tree").is_displayed()
    browser.click("#beam summary")
    assert not browser.one("#beam .beam-tree").is_displayed()
    browser.click("#fold-all")
    assert not any(each.is_displayed() for each in browser.all("main > details > div"))
    browser.click("#fold-all")
    assert all(each.is_displayed() for each in browser.all("main > details > div"))
