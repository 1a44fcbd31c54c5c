"""The page of `nmt explain` in Chromium: what is clicked and pressed shows the model's numbers."""

import math
from pathlib import Path

import pytest
import torch

from nmt.checkpoint import load_model
from nmt.explain.data import as_data
from nmt.explain.page import page_of
from nmt.explain.story import Story, tell
from tests.browser.conftest import Browser, demo_pages

ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, HOME = "\ue015", "\ue012", "\ue014", "\ue011"
SENTENCE = "sun moon star rain"
LONG = " ".join(["sun moon star rain snow wind tree leaf root seed"] * 5)


@pytest.fixture(scope="session")
def story(skilled_run: Path) -> Story:
    model = load_model(skilled_run, torch.device("cpu"))
    return tell(model, SENTENCE, model.recipe.decode, print)


@pytest.fixture(scope="session")
def page(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(story, tmp_path_factory.mktemp("page"))


def write(story: Story, folder: Path) -> Path:
    """A story's page on disk."""
    path = folder / "page.html"
    path.write_text(page_of(story), encoding="utf-8")
    return path


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("\u2212", "-").removesuffix("%").replace("<", "").strip())


def shown(browser: Browser, selector: str) -> list[float]:
    """The numbers of elements."""
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
    browser: Browser, page: Path, story: Story, view: str, kind: str, module: str, head: int
) -> None:
    browser.open(page)
    if view == "decoder":
        browser.click(f"#decoder [data-value={kind}]")
    button = f"#{view} [data-layer='0'][data-head='{head}']"
    browser.click(button)
    assert browser.one(button).get_attribute("aria-pressed") == "true"
    seen = story.recording.attended[module]
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
        beside = [number(text) for text in browser.texts(f"#{view} .keys .weight") if text]
        assert beside == pytest.approx(visible, abs=0.0051)


def test_all_heads_are_shown_at_once(browser: Browser, page: Path, story: Story) -> None:
    browser.open(page)
    browser.click("#encoder [data-head='all']")
    browser.focus("#encoder [data-query='2']")
    mean = story.recording.attended["encoder.0.self_attention"].weights[:, 2].mean(0)
    beside = shown(browser, "#encoder .keys .weight")
    assert beside == pytest.approx(mean.tolist(), abs=0.0051)
    colours = {each.value_of_css_property("stroke") for each in browser.all("#encoder path.strong")}
    assert len(colours) == 2
    assert "All heads of layer 1" in browser.text("#encoder .reading")


def test_a_matrix_cell_is_read_by_keys(browser: Browser, page: Path, story: Story) -> None:
    browser.open(page)
    browser.click("#encoder [data-layer='0'][data-head='1']")
    browser.focus("#encoder canvas.cells")
    for key in (ARROW_DOWN, ARROW_DOWN, ARROW_RIGHT):
        browser.press(key)
    weight = float(story.recording.attended["encoder.0.self_attention"].weights[1, 2, 1])
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


def test_the_temperature_reshapes_the_probabilities(
    browser: Browser, page: Path, story: Story
) -> None:
    browser.open(page)
    rows = "#probabilities tbody tr"
    for temperature, key in ((1.0, None), (1.1, ARROW_RIGHT), (0.9, ARROW_LEFT)):
        browser.click("#probabilities [aria-label^='Back to temperature 1']")
        slider = browser.one("#probabilities input[type=range]")
        if key:
            slider.send_keys(key)
        assert slider.get_attribute("aria-valuetext") == f"{temperature:.1f}"
        expected = (story.logits[0].double() / temperature).softmax(-1)
        pieces = [int(str(row.get_attribute("data-piece"))) for row in browser.all(rows)]
        shares = [share / 100 for share in shown(browser, f"{rows} td:nth-child(3)")]
        assert shares == pytest.approx(expected[pieces].tolist(), abs=6e-4)


def test_decoding_is_stepped_through(browser: Browser, page: Path, story: Story) -> None:
    browser.open(page)
    for step, piece in enumerate(story.target_outputs):
        assert browser.one("#probabilities tr.chosen").get_attribute("data-piece") == str(piece)
        assert len(browser.all("#probabilities .steps .to-come")) == (
            len(story.target_outputs) - step - 1
        )
        entropy = f"Entropy at temperature 1: {story.outlooks[step].entropy:.2f} bits"
        assert entropy in browser.text("#probabilities .outlook")
        if step + 1 < len(story.target_outputs):
            browser.click("#probabilities [aria-label='Next step']")
    assert not browser.one("#probabilities [aria-label='Next step']").is_enabled()
    browser.click("#probabilities [data-step='0']")
    assert not browser.one("#probabilities [aria-label='Previous step']").is_enabled()


def test_the_beam_is_a_tree_that_is_stepped_through(
    browser: Browser, page: Path, story: Story
) -> None:
    browser.open(page)
    nodes = as_data(story)["beam"]["nodes"]
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
    winner = browser.text("#beam .beam-detail")
    assert "finished, and it wins" in winner
    assert f"score \u2212{abs(story.winner.score):.3f}" in winner
    pruned = next(n for n, fate in enumerate(nodes["fate"]) if fate == "pruned")
    browser.focus(f"#beam [data-node='{pruned}']")
    detail = browser.text("#beam .beam-detail")
    assert "pruned" in detail
    assert f"log p = \u2212{abs(nodes['log_prob'][pruned]):.3f}" in detail
    table = shown(browser, "#beam .chosen td.n")
    log_prob, score = story.winner.log_prob, story.winner.score
    assert table == pytest.approx([log_prob, log_prob / score, score], abs=1e-3)


def test_the_branches_are_followed_by_keys(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.focus("#beam [data-node='0']")
    assert "begins with the start" in browser.text("#beam .beam-detail")
    browser.press(ARROW_RIGHT)
    first = browser.run("return document.activeElement.dataset.node")
    assert "wins" in str(browser.one(f"#beam [data-node='{first}']").get_attribute("class"))
    browser.press(ARROW_DOWN)
    assert browser.run("return document.activeElement.dataset.node") != first
    browser.press(ARROW_LEFT)
    assert browser.run("return document.activeElement.dataset.node") == "0"


def test_the_alignment_is_the_mean_of_the_heads(browser: Browser, page: Path, story: Story) -> None:
    browser.open(page)
    weights = story.recording.attended["decoder.0.cross_attention"].weights.mean(0)
    drawn = [
        float(str(each.get_attribute("data-weight"))) for each in browser.all("#alignment path")
    ]
    assert drawn
    assert max(drawn) <= float(weights.sum(-1).max()) + 1e-3
    words = browser.all("#alignment .sentence.target .word")
    assert [each.text for each in words] == story.translation.split()
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


VIEWS = ("pieces", "embedding", "encoder", "decoder", "probabilities", "beam", "alignment")


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
