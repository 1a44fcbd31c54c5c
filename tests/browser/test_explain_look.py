"""How the page of `nmt explain` holds up: windows, schemes, long and strange sentences."""

import math
from pathlib import Path

import pytest
import torch

from nmt.checkpoint import load_model
from nmt.commands import main
from nmt.explain.story import tell
from tests.browser.conftest import Browser, demo_pages, write
from tests.browser.test_explain_page import shown
from tests.conftest import write_tiny_corpus

VIEWS = ("pieces", "embedding", "encoder", "decoder", "probabilities", "beam", "alignment")
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


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_texts_stand_out_from_what_is_behind(browser: Browser, page: Path, dark: bool) -> None:
    """At least 4.5 to 1, as WCAG 2 asks of text."""
    browser.open(page, dark=dark)
    script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    names = ["ink", "soft", "source", "target", "good", "paper", "card", "wash"]
    light = {name: luminance(str(browser.run(script, f"--{name}")).strip()) for name in names}
    assert (light["paper"] < 0.05) == dark
    for text in ("ink", "soft", "source", "target", "good"):
        for behind in ("paper", "card", "wash"):
            low, high = sorted([light[text], light[behind]])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, behind)


def test_canvases_follow_the_scheme(browser: Browser, page: Path) -> None:
    pixel = "return document.querySelector('#encoder canvas.cells').toDataURL()"
    browser.open(page)
    light = browser.run(pixel)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.until(lambda: browser.run(pixel) != light)


def test_each_block_has_its_sentence_and_its_section(browser: Browser, page: Path) -> None:
    browser.open(page)
    for view in VIEWS:
        assert len(browser.all(f"#{view} > .lead")) == 1
        assert browser.text(f"#{view} .ref").startswith("§")
    assert "Byte-pair encoding" in browser.text("#pieces .lead")
    assert "sinusoids" in browser.text("#embedding .lead")


@pytest.fixture(scope="session")
def character_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a tiny model of characters with learned positions."""
    folder = tmp_path_factory.mktemp("characters")
    recipe = write_tiny_corpus(folder)
    run = folder / "runs" / "characters"
    settings = ["tokenizer.kind=char", "model.positions=learned", "train.max_updates=2"]
    options = [f"--set={each}" for each in settings]
    with pytest.raises(SystemExit) as end:
        main(["train", str(recipe), "--data-dir", str(folder), "--run", str(run), *options])
    assert not end.value.code
    return run


def test_other_models_are_told_of_as_they_are(
    browser: Browser, character_run: Path, tmp_path: Path
) -> None:
    model = load_model(character_run, torch.device("cpu"))
    browser.open(write(tell(model, "sun moon", model.recipe.decode, print), tmp_path))
    assert "character by character" in browser.text("#pieces .lead")
    assert "learned for its position" in browser.text("#embedding .lead")
    assert len(browser.all("#pieces .chips.source .chip")) == len("▁sun▁moon") + 1
    assert browser.overflow() <= 0


def test_markup_in_the_sentence_is_shown_as_text(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    text = "sun <script>document.title='hit'</script> <b>moon</b> </script>"
    model = load_model(skilled_run, torch.device("cpu"))
    browser.open(write(tell(model, text, model.recipe.decode, print), tmp_path))
    assert browser.text("h1 .source") == text
    assert browser.driver.title == f"How tiny translates: {text}"
    assert browser.all("#pieces-view b, h1 b, h1 script") == []


def test_a_sentence_of_more_than_50_tokens(
    browser: Browser, skilled_run: Path, tmp_path: Path
) -> None:
    model = load_model(skilled_run, torch.device("cpu"))
    story = tell(model, LONG, model.recipe.decode, print)
    assert len(story.source_ids) > 50
    for width in (360, 1280):
        browser.open(write(story, tmp_path), width)
        assert browser.overflow() <= 0
    browser.shoot("explain-long")


def test_right_to_left_and_long_words(browser: Browser, hebrew_run: Path, tmp_path: Path) -> None:
    model = load_model(hebrew_run, torch.device("cpu"))
    word = "שמש" * 40
    browser.open(
        write(tell(model, f"ירח שמש כוכב {word}", model.recipe.decode, print), tmp_path), 360
    )
    assert browser.overflow() <= 0
    for selector in ("h1 .source", "#pieces .chips.source", "#alignment .sentence.source"):
        assert browser.one(selector).value_of_css_property("direction") == "rtl", selector
    left, right = (
        browser.one(f"#pieces .chips.source .word:nth-child({n})").rect["x"] for n in (2, 1)
    )
    assert left < right
    browser.shoot("explain-right-to-left")


def test_each_view_is_kept_as_a_picture(browser: Browser, page: Path) -> None:
    browser.open(page)
    for view in VIEWS:
        path = browser.shoot(f"explain-{view}", f"#{view}")
        assert path.stat().st_size > 1000


DEMO_PAGES = demo_pages("explain")


@pytest.mark.skipif(not DEMO_PAGES, reason="make explain-demo names its pages in NMT_DEMO_PAGES")
@pytest.mark.parametrize("demo", DEMO_PAGES or [Path("none")], ids=lambda path: path.stem)
def test_a_page_of_a_trained_model(browser: Browser, demo: Path) -> None:
    """The pages that `make explain-demo` built: each view answers, in both schemes, and fits."""
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
