"""The look of the page of `nmt explain`: windows, schemes, long and unusual sentences."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.commands import main
from nmt.runs.trained_model import load_model
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.page import page_data
from nmt.text.tokenizer import EOS
from tests.browser.audit import blank_canvases, faint_texts, tab_stops
from tests.browser.conftest import Browser, demo_pages, write
from tests.browser.test_explain_page import shown
from tests.conftest import write_tiny_corpus

ARROW_RIGHT = "\ue014"
VIEWS = ("tokens", "embedding", "encoder", "decoder", "probabilities", "beam", "alignment")
LONG = " ".join(["sun moon star rain snow wind tree leaf root seed"] * 5)


def test_every_control_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    controls = browser.all("button, input, summary, a, canvas[role=img], [role=button]")
    assert len(controls) > 50
    kinds = {(each.tag_name, each.get_attribute("class")): each for each in controls}
    assert [kind for kind, each in kinds.items() if not each.accessible_name] == []
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((x) => x.id)")
    assert isinstance(ids, list)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [360, 800, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_window(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.overflow() <= 0
    browser.shoot(f"explain-{width}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_enough_contrast(browser: Browser, page: Path, dark: bool) -> None:
    """WCAG 2 requires a contrast of 4.5 to 1."""
    browser.open(page, dark=dark)
    assert faint_texts(browser) == {}
    browser.click("#decoder [data-value=self]")  # which hides keys
    assert faint_texts(browser) == {}


def test_tab_visits_the_controls_with_a_visible_focus(browser: Browser, page: Path) -> None:
    browser.open(page)
    stops = tab_stops(browser)
    assert [stop for stop in stops if not stop[1] or not stop[2]] == []
    names = [name for _, name, _ in stops]
    assert names[0] == "Tokens"
    for group in ("Layer 1, head", "Temperature", "Step of the search"):
        assert any(name.startswith(group) for name in names)
    assert len([name for name in names if name.startswith("Layer ")]) == 2  # one a stack


def test_canvases_follow_the_scheme(browser: Browser, page: Path) -> None:
    pixel = "return document.querySelector('#encoder canvas.cells').toDataURL()"
    browser.open(page)
    light = browser.run(pixel)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.until(lambda: browser.run(pixel) != light)


def test_each_section_has_a_lead_and_a_reference(browser: Browser, page: Path) -> None:
    browser.open(page)
    for view in VIEWS:
        assert len(browser.all(f"#{view} > .lead")) == 1
        assert browser.text(f"#{view} .ref").startswith("§")
        for part in browser.all(f"#{view} details"):
            assert len(part.find_elements("css selector", ":scope > .lead")) == 1
            assert part.find_element("css selector", ".ref").text.startswith("§")
    assert len(browser.all("main details details")) == 4
    assert "Byte-pair encoding" in browser.text("#tokens .lead")
    assert "sinusoids" in browser.text("#embedding .lead")


def train_tiny(folder: Path, *settings: str) -> Path:
    """Train a tiny model with other settings; return its run folder."""
    recipe = write_tiny_corpus(folder)
    run = folder / "runs" / "other"
    options = [f"--set={each}" for each in (*settings, "train.max_updates=2")]
    with pytest.raises(SystemExit) as end:
        main(["train", str(recipe), "--data-dir", str(folder), "--run", str(run), *options])
    assert not end.value.code
    return run


def test_the_page_describes_variants_of_later_papers(browser: Browser, tmp_path: Path) -> None:
    settings = ["norm=pre", "norm_kind=rms", "activation=swiglu", "positions=rotary", "tied=none"]
    run = train_tiny(
        tmp_path,
        *(f"model.{each}" for each in settings),
        "tokenizer.joint=false",
        "tokenizer.vocab_size=30",
    )
    model = load_model(run, "cpu")
    explanation = explain(model, "sun moon", model.recipe.decode, print)
    browser.open(write(explanation, tmp_path))
    for view in VIEWS:
        assert len(browser.all(f"#{view} > .lead")) == 1
    assert "each language has its own vocabulary" in browser.text("#tokens .lead")
    assert "(Su et al., 2021)" in browser.text("#embedding .lead")
    assert "softmax's own" in browser.text("#probabilities .lead")
    ids = [*explanation.source_ids, *explanation.target_outputs]
    assert browser.texts("#tokens .chip small") == [str(each) for each in ids]
    formulas = browser.texts("#encoder .formula")
    assert formulas == [
        *("x", "RMSNorm(x)", "heads joined", "× Wᴼ", "x + …"),
        *("RMSNorm(x)", "Swish(xW + b) ⊙ (xV + c)", "· W₂ + b₂", "x + …"),
    ]
    assert "LayerNorm" not in browser.text("main")


def test_the_page_describes_the_choices_of_marian(browser: Browser, tmp_path: Path) -> None:
    choices = "activation=silu", "positions=sinusoidal_halves", "attention_bias=true"
    run = train_tiny(tmp_path, *(f"model.{each}" for each in (*choices, "softmax_bias=true")))
    model = load_model(run, "cpu")
    browser.open(write(explain(model, "sun moon", model.recipe.decode, print), tmp_path))
    assert len(browser.all("#embedding > .lead")) == 1
    assert "all sines before all cosines" in browser.text("#embedding .lead")
    assert {"SiLU(xW₁ + b₁)", "× Wᴼ + bᴼ"} <= {*browser.texts("#encoder .formula")}
    assert "a bias of its token" in browser.text("#probabilities")


def test_the_page_describes_characters_and_learned_positions(
    browser: Browser, tmp_path: Path
) -> None:
    run = train_tiny(tmp_path, "tokenizer.kind=char", "model.positions=learned")
    model = load_model(run, "cpu")
    browser.open(write(explain(model, "sun moon", model.recipe.decode, print), tmp_path))
    assert "character by character" in browser.text("#tokens .lead")
    assert "learned for the position" in browser.text("#embedding .lead")
    assert len(browser.all("#tokens .chips.source .chip")) == len("▁sun▁moon") + 1
    assert browser.overflow() <= 0


def test_markup_in_the_sentence_is_shown_as_text(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    text = "sun <script>document.title='hit'</script> <b>moon</b> </script>"
    model = load_model(skilled_run, "cpu")
    settings = replace(model.recipe.decode, odd_input="as_is")
    browser.open(write(explain(model, text, settings, print), tmp_path))
    assert browser.text("h1 .source") == text
    assert browser.driver.title == f"How tiny translates: {text}"
    assert browser.all("#tokens-view b, h1 b, h1 script") == []


def test_a_sentence_of_more_than_50_tokens(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    model = load_model(skilled_run, "cpu")
    explanation = explain(model, LONG, model.recipe.decode, print)
    assert len(explanation.source_ids) > 50
    for width in (360, 1280):
        browser.open(write(explanation, tmp_path), width)
        assert browser.overflow() <= 0
    browser.shoot("explain-long")


def test_right_to_left_and_long_words(browser: Browser, hebrew_run: Path, tmp_path: Path) -> None:
    model = load_model(hebrew_run, "cpu")
    word = "שמש" * 40
    browser.open(
        write(explain(model, f"ירח שמש כוכב {word}", model.recipe.decode, print), tmp_path), 360
    )
    assert browser.overflow() <= 0
    for selector in ("h1 .source", "#tokens .chips.source", "#alignment .sentence.source"):
        assert browser.one(selector).value_of_css_property("direction") == "rtl", selector
    left, right = (
        browser.one(f"#tokens .chips.source .word:nth-child({n})").rect["x"] for n in (2, 1)
    )
    assert left < right
    browser.shoot("explain-right-to-left")
    browser.focus("#alignment .sentence.source .word:last-child")
    browser.press(ARROW_RIGHT)  # to the word before it
    assert browser.run("return document.activeElement.textContent") == "כוכב"


def test_long_words_in_the_reading(browser: Browser, skilled_run: Path, tmp_path: Path) -> None:
    model = load_model(skilled_run, "cpu")
    word = "moon" * 20
    browser.open(write(explain(model, f"sun {word}", model.recipe.decode, print), tmp_path), 360)
    browser.focus("#alignment .sentence.source .word:last-child")
    assert browser.text("#alignment .reading").startswith(f"{word} is attended to by")
    assert browser.overflow() <= 0


def test_words_of_every_script(
    browser: Browser, explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tokens replace those of the explanation: marks, brackets, no spaces, a space alone."""
    texts = ["▁", "(", "▁हि", "न्", "दी", ")", "▁我", "狗", "▁"]
    data = page_data(explanation)
    ids = data["source"]["ids"]
    assert len(ids) > len(texts)
    names = [str(9000 + place) for place in range(len(ids))]
    data["tokens"] |= {name: {"text": "x", "special": None} for name in names}
    data["tokens"] |= {
        name: {"text": text, "special": None} for name, text in zip(names, texts, strict=False)
    }
    data["source"]["ids"] = [*map(int, names[: len(texts)]), *[EOS] * (len(ids) - len(texts))]
    monkeypatch.setattr("nmt.studio.explain.page.page_data", lambda _: data)
    browser.open(write(explanation, tmp_path))
    words = ["(", "हिन्दी", ")", "我", "狗", "▁"]
    assert browser.texts("#alignment .sentence.source .word") == words
    assert len(browser.all("#tokens .chips.source .word")) == len(words) + len(ids) - len(texts)


def test_a_translation_without_a_word(browser: Browser, skilled_run: Path, tmp_path: Path) -> None:
    model = copy.deepcopy(load_model(skilled_run, "cpu"))
    norm = model.network.get_submodule("decoder.0.feed_forward_norm.norm")
    with torch.no_grad():  # the output of the decoder is always the embedding of EOS
        norm.get_parameter("weight").zero_()
        norm.get_parameter("bias").copy_(100 * model.network.embeddings.weight[EOS])
    explanation = explain(model, "sun", model.recipe.decode, print)
    assert explanation.translation == ""
    browser.open(write(explanation, tmp_path), 360)
    assert "has no words" in browser.text("#alignment .reading")
    browser.focus("#alignment .sentence.source .word")
    assert "has no words" in browser.text("#alignment .reading")
    assert browser.overflow() <= 0


def test_each_section_is_drawn(browser: Browser, page: Path, explanation: Explanation) -> None:
    """Each section shows all its parts, each with a size, and no canvas is blank."""
    settings = explanation.model.recipe.model
    source, target = len(explanation.source_ids), len(explanation.target_outputs)
    heads = settings.heads + 1  # and all of them
    parts = {
        "tokens": (".chip", source + target),
        "embedding": ("td canvas.strip", 3 * source),
        "encoder": (".small-multiple", settings.encoder_layers * heads),
        "decoder": (".small-multiple", settings.decoder_layers * heads),
        "probabilities": ("tbody tr", len(explanation.next_tokens[0].ids)),
        "beam": (".node", len(explanation.tree.nodes)),
        "alignment": (".word", 4 + len(explanation.translation.split())),
    }
    assert parts.keys() == set(VIEWS)
    browser.open(page)
    for view, (selector, count) in parts.items():
        boxes = [each.rect for each in browser.all(f"#{view} {selector}")]
        assert len(boxes) == count, view
        assert all(box["width"] > 5 and box["height"] > 5 for box in boxes), view
        assert blank_canvases(browser, f"#{view}") == []
        browser.shoot(f"explain-{view}", f"#{view}")


DEMO_PAGES = demo_pages("explain")


@pytest.mark.skipif(not DEMO_PAGES, reason="make explain-demo names its pages in NMT_DEMO_PAGES")
@pytest.mark.parametrize("demo", DEMO_PAGES or [Path("none")], ids=lambda path: path.stem)
def test_a_page_of_a_trained_model(browser: Browser, demo: Path) -> None:
    """On the pages of `make explain-demo`, each section works, in both schemes, and fits."""
    assert demo.stat().st_size < 3e6
    for dark in (True, False):
        browser.open(demo, dark=dark)
        assert browser.overflow() <= 0
        browser.shoot(f"demo-{demo.stem}-{'dark' if dark else 'light'}")
    for view in VIEWS:
        browser.shoot(f"demo-{demo.stem}-{view}", f"#{view}")
    browser.shoot(f"readme-{demo.stem}", "#decoder", through="#decoder .reading")
    for view in ("encoder", "decoder"):
        for button in browser.all(f"#{view} .small-multiple"):
            browser.run("arguments[0].click()", button)
            assert button.get_attribute("aria-pressed") == "true"
            scores = shown(browser, f"#{view} [data-score]")
            weights = shown(browser, f"#{view} [data-weight]")
            assert bool(scores) == (button.get_attribute("data-head") != "all")
            if scores:
                total = math.fsum(math.exp(each - max(scores)) for each in scores)
                for score, weight in zip(scores, weights, strict=True):
                    share = math.exp(score - max(scores)) / total
                    assert share == pytest.approx(weight, abs=5e-3)
    shares = shown(browser, "#probabilities tbody td:nth-child(3)")
    assert sum(shares) <= 100.1
    assert "it wins" in browser.text("#beam .beam-detail")
