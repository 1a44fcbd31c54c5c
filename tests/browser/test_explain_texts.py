"""The page of `nmt explain` for unusual models and sentences."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config import TokenizerSettings
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.page import page_data
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import EOS, Tokenizer
from tests.browser.conftest import ARROW_RIGHT, SENTENCE, Browser, write
from tests.browser.test_live_engine import learn, random_model

LONG = " ".join(["sun moon star rain snow wind tree leaf root seed"] * 5)


def show(browser: Browser, model: TrainedModel, text: str, folder: Path, width: int = 1280) -> None:
    """Open the page that explains a text."""
    decode = replace(model.recipe.decode, odd_input="as_is")
    browser.open(write(folder, explain(model, text, decode)), width)
    assert browser.overflow() <= 0


def test_the_page_describes_variants_of_later_papers(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    later = {"norm": "pre", "norm_kind": "rms", "activation": "swiglu", "positions": "rotary"}
    two = Tokenizer.from_two(learn(vocab_size=60), learn(vocab_size=70))
    model = random_model(load_model(skilled_run, "cpu"), two, tied="none", **later)
    explanation = explain(model, "sun moon", model.recipe.decode)
    browser.open(write(tmp_path, explanation))
    assert "tokens. Each language has its own vocabulary. Frequent" in browser.one("#tokens").text
    assert ". No position is added: self-attention rotates" in browser.one("#embedding").text
    assert "every row of the softmax's matrix. The" in browser.one("#probabilities").text
    ids = [*explanation.source_ids, *explanation.target_outputs]
    assert browser.texts("#tokens .chip small") == [str(token) for token in ids]
    formulas = browser.texts("#encoder .formula")
    assert formulas == [
        *("x", "RMSNorm(x)", "heads joined", "× Wᴼ", "x + …"),
        *("RMSNorm(x)", "Swish(xW + b) ⊙ (xV + c)", "× W₂ + b₂", "x + …"),
    ]
    assert "LayerNorm" not in browser.text("main")


def test_the_page_names_the_model_that_a_text_is_about(
    browser: Browser, explanation: Explanation, tmp_path: Path
) -> None:
    model = explanation.model
    order = {"model.target_order": "right_to_left"}
    recipe = with_settings(model.recipe, {"model.positions": "rotary", **order})
    other = explain(replace(model, recipe=recipe), SENTENCE, recipe.decode)
    browser.open(write(tmp_path, explanation, other, names=("one", "two")))
    lead = browser.one("#embedding .lead").text
    assert "see the order of words. (one) No position is added" in lead
    assert lead.endswith("(Su et al., 2021). (two)")
    assert "vocabulary. Frequent" in browser.one("#tokens .lead").text
    assert browser.one("#decoder .lead").text.endswith("writes the last word first. (two)")
    words = browser.all("#alignment .sentence.target")[-1].find_elements("class name", "word")
    assert [word.text for word in words] == other.translation.split()


def test_names_of_heads_are_text_beside_the_heads(
    browser: Browser, explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = '<b title="x">its noun</b> & more 90 %'
    names = {"encoder.0.self_attention": ["mixed", name]}
    monkeypatch.setattr("nmt.studio.explain.page.head_names", lambda *_: names)
    browser.open(write(tmp_path, explanation))
    browser.click("#encoder [aria-label='Layer 1, head 2']")
    assert f"On the dev set: {name}" in browser.text("#encoder")
    assert browser.one("#encoder [aria-label='Layer 1, head 2']").get_attribute("title") == name
    part = browser.one("[data-part='encoder.0.self_attention.1']")
    title = f"head 2 of self-attention in encoder layer 1: {name}"
    assert part.get_attribute("title") == title
    assert "On the dev set" not in browser.text("#decoder")


def test_the_page_describes_the_choices_of_marian(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    choices: dict[str, Any] = {
        "activation": "silu",
        "positions": "sinusoidal_halves",
        "attention_bias": True,
    }
    model = random_model(load_model(skilled_run, "cpu"), softmax_bias=True, **choices)
    show(browser, model, "sun moon", tmp_path)
    assert "added, all sines before all cosines." in browser.one("#embedding").text
    assert "Both languages share one vocabulary" in browser.one("#tokens").text
    assert {"SiLU(xW₁ + b₁)", "× Wᴼ + bᴼ"} <= {*browser.texts("#encoder .formula")}
    assert "a bias of its token" in browser.text("#probabilities")


def test_characters_learned_positions_and_right_to_left_text(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    hebrew = ["שמש", "ירח", "כוכב", "גשם", "שלג", "רוח", "עץ", "עלה", "שורש", "זרע"]
    like = load_model(skilled_run, "cpu")
    like = replace(like, recipe=with_settings(like.recipe, {"tokenizer.kind": "char"}))
    subwords = learn_subwords([" ".join(hebrew)], TokenizerSettings(40, kind="char"))
    model = random_model(like, Tokenizer(subwords.model), positions="learned")
    show(browser, model, f"ירח שמש כוכב {'שמש' * 20}", tmp_path, 360)
    assert "character by character" in browser.one("#tokens").text
    assert "the vector learned for the position is added" in browser.one("#embedding").text
    assert len(browser.all("#tokens .lead")) == 1
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


def test_markup_long_sentences_and_long_words(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    model = load_model(skilled_run, "cpu")
    text = "sun <script>document.title='hit'</script> <b>moon</b> </script>"
    show(browser, model, text, tmp_path)
    assert browser.text("h1 .source") == text
    assert browser.driver.title == f"How tiny translates: {text}"
    assert browser.all("#tokens-view b, h1 b, h1 script") == []
    show(browser, model, LONG, tmp_path, 360)
    assert len(browser.all("#tokens .chips.source .chip")) > 50
    show(browser, model, f"sun {'moon' * 20}", tmp_path, 360)
    browser.focus("#alignment .sentence.source .word:last-child")
    reading = browser.text("#alignment .reading")
    assert reading.startswith(f"{'moon' * 20} is attended to by")
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
    browser.open(write(tmp_path, explanation))
    words = ["(", "हिन्दी", ")", "我", "狗", "▁"]
    assert browser.texts("#alignment .sentence.source .word") == words
    assert len(browser.all("#tokens .chips.source .word")) == len(words) + len(ids) - len(texts)


def test_a_translation_without_a_word(browser: Browser, skilled_run: Path, tmp_path: Path) -> None:
    model = copy.deepcopy(load_model(skilled_run, "cpu"))
    norm = model.network.get_submodule("decoder.0.feed_forward_norm.norm")
    with torch.no_grad():  # the output of the decoder is always the embedding of EOS
        norm.get_parameter("weight").zero_()
        norm.get_parameter("bias").copy_(100 * model.network.embeddings.weight[EOS])
    show(browser, model, "sun", tmp_path, 360)
    assert browser.text("h1 .target") == "(no words)"
    assert "has no words" in browser.text("#alignment .reading")
    browser.focus("#alignment .sentence.source .word")
    assert "has no words" in browser.text("#alignment .reading")
