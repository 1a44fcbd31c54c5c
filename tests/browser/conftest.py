"""A headless Chromium that opens pages of `nmt` from disk.

Screenshots are written to build/screenshots/ for people to look at.
"""

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nmt.commands.check import render_check
from nmt.corpora.check import Task, check_corpus
from nmt.corpora.faults.detectors import CheckLimits
from nmt.corpora.faults.report import Advice, Advised, Difference
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import load_model
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.page import render_explanation
from nmt.studio.report import render_report
from nmt.text.reading.corpus import ParallelText
from tests.corpora.corpora import corpus
from tests.corpora.corpora import write as write_pairs

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

# Keys, as WebDriver names them.
ENTER, SHIFT, CONTROL, ESCAPE = "\ue007", "\ue008", "\ue009", "\ue00c"
HOME, END, ARROW_LEFT, ARROW_RIGHT = "\ue011", "\ue010", "\ue012", "\ue014"
ARROW_DOWN, TAB = "\ue015", "\ue004"
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
SENTENCE = "sun moon star rain"
HELP = "the browser tests need chromium and chromedriver: apt-get install chromium chromium-driver"


CARD = {
    "evaluation_card": 1,
    "date": "2026-11-25",
    "results": [
        {
            "test_set": "<b>held out</b>",
            "segments": 10,
            "scores": {
                "BLEU": {
                    "value": 12.345,
                    "signature": "nrefs:1|case:mixed",
                    "confidence_95": {"mean": 12.3, "radius": 0.9},
                }
            },
            "by_length": {
                "length": "words of the first reference",
                "buckets": [{"from": 0, "to": None, "segments": 10, "scores": {"BLEU": 12.345}}],
            },
            "examples": {
                "ranked_by": "chrF2",
                "worst": [{"score": 1.5, "source": "a", "references": ["b"], "hypothesis": "c"}],
                "best": [],
            },
        }
    ],
}


class Browser:
    """A browser with the actions that the tests need."""

    def __init__(self, driver: "WebDriver") -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Open a page in a window of width x height pixels, in a colour scheme."""
        self.open_address(page.resolve().as_uri(), width, height, dark=dark)

    def open_address(
        self, address: str, width: int = 1280, height: int = 900, *, dark: bool = False
    ) -> None:
        """Open an address as `open` opens a page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        # An earlier test may have moved the focus out of its page.
        self.driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.driver.get(address)

    def all(self, selector: str) -> "list[WebElement]":
        """Return all elements of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> "WebElement":
        """Return the first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """Return the text of the first element, visible or not."""
        return self.texts(selector)[0]

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element, visible or not."""
        every = "return [...document.querySelectorAll(arguments[0])].map((x) => x.textContent)"
        return list(self.driver.execute_script(every, selector))

    def focus(self, selector: str) -> None:
        """Move the focus to an element."""
        self.run("arguments[0].focus()", self.one(selector))

    def click(self, selector: str) -> None:
        """Scroll to an element and click it."""
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def hover(self, selector: str) -> None:
        """Move the pointer over an element."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).move_to_element(self.one(selector)).perform()

    def press(self, keys: str) -> None:
        """Send keys to the element that has the focus."""
        self.driver.switch_to.active_element.send_keys(keys)

    def run(self, script: str, *arguments: object) -> object:
        """Run a script and return its result."""
        return self.driver.execute_script(script, *arguments)

    def until(self, happens: Callable[[], bool]) -> None:
        """Wait until the page has done something; raises an error after 30 seconds."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, timeout=30, poll_frequency=0.05).until(lambda _: happens())

    def overflow(self) -> int:
        """Return how many pixels the page is wider than its window."""
        return int(str(self.run("return document.documentElement.scrollWidth - window.innerWidth")))

    def complaints(self) -> list[str]:
        """Return new messages of the console: errors, and what the policy blocked."""
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call] # Selenium's
        return [str(entry["message"]) for entry in log]

    def shoot(self, name: str, selector: str | None = None, through: str | None = None) -> None:
        """Save a screenshot of the window, or of an element down to the end of `through`."""
        path = SCREENSHOTS / f"{name}.png"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        options: dict[str, object] = {}
        if selector:
            box = (
                "const [b, c] = arguments[0].map((x) => x.getBoundingClientRect());"
                "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width,"
                " height: c.bottom - b.top + (arguments[1] ? 16 : 0), scale: 1}"
            )
            ends = [self.one(selector), self.one(through or selector)]
            options["clip"] = self.run(box, ends, bool(through))
            options["captureBeyondViewport"] = True
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path.write_bytes(base64.b64decode(picture["data"]))


SOFTWARE_GRAPHICS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def chromium(profile: Path, *graphics: str) -> "Iterator[WebDriver]":
    """Start Chromium with flags for its graphics."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip(HELP)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = ["--headless=new", *graphics, "--hide-scrollbars", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # as root, Chromium has no sandbox
    for flag in (*flags, "--disable-dev-shm-usage", "--force-color-profile=srgb"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=chromedriver)
    with webdriver.Chrome(options=options, service=service) as chrome:
        chrome.set_script_timeout(60)
        yield chrome


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    """Start Chromium once, without WebGL."""
    with chromium(
        tmp_path_factory.mktemp("profile"), "--disable-gpu", "--disable-3d-apis"
    ) as chrome:
        yield chrome


@pytest.fixture
def browser(driver: "WebDriver") -> Iterator[Browser]:
    """Yield the browser; the test fails if its page writes to the console."""
    yield from watched(driver)


@pytest.fixture(scope="session")
def webgl_driver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    """Start Chromium once, with WebGL that the processor draws."""
    with chromium(tmp_path_factory.mktemp("webgl"), *SOFTWARE_GRAPHICS) as chrome:
        yield chrome


@pytest.fixture
def webgl_browser(webgl_driver: "WebDriver") -> Iterator[Browser]:
    """Yield a browser with WebGL, as `browser`."""
    yield from watched(webgl_driver)


def watched(driver: "WebDriver") -> Iterator[Browser]:
    """Yield a browser; then check that its page wrote nothing to the console."""
    one = Browser(driver)
    one.complaints()
    yield one
    assert one.complaints() == []


@pytest.fixture(scope="session")
def explanation(skilled_run: Path) -> Explanation:
    """Explain a sentence with a small model that writes words."""
    model = load_model(skilled_run, "cpu")
    return explain(model, SENTENCE, model.recipe.decode)


@pytest.fixture(scope="session")
def explain_page(explanation: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of the explanation."""
    return write(tmp_path_factory.mktemp("explain"), explanation)


def write(folder: Path, *explanations: Explanation, **options: Any) -> Path:
    """Write the page of explanations into a folder; return its path."""
    path = folder / "page.html"
    path.write_text(render_explanation(*explanations, **options), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Copy the tiny run and add an evaluation card."""
    folder = tmp_path_factory.mktemp("report") / "tiny"
    shutil.copytree(tiny_run, folder, ignore=shutil.ignore_patterns("checkpoints"))
    (folder / "card.json").write_text(json.dumps(CARD))
    return RunFolder(folder)


@pytest.fixture(scope="session")
def report_page(run: RunFolder) -> Path:
    """Write the report of one run."""
    run.report.write_text(render_report([run]), encoding="utf-8")
    return run.report


@pytest.fixture(scope="session")
def ablation_page(ablation: Path) -> Path:
    """Return the page of the tiny ablation."""
    return ablation / "ablation.html"


@pytest.fixture(scope="session")
def scale_page(scaled: Path) -> Path:
    """Return the page of a tiny ladder."""
    return scaled / "scale.html"


@pytest.fixture(scope="session")
def check_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a corpus with some faults."""
    folder = tmp_path_factory.mktemp("check")
    pairs = corpus(400)
    pairs[10] = ("", pairs[10][1])
    pairs[20] = ("<b>bold</b> \u200btext", "<b>bold</b> \u200btext")
    pairs[40] = pairs[5]
    task = Task((ParallelText(write_pairs(folder, pairs), "train"),), recipe="<i>mine</i>")
    advised = (Advised("vocabulary", "8,000 <b>", "a reason", {}),)
    differences = (Difference("model.dropout", 0.1, 0.3),)
    advice = Advice(400, advised, None, differences, ("A note.",))
    report = replace(check_corpus(task, CheckLimits(language_sample=0)), advice=advice)
    page = folder / "check.html"
    page.write_text(render_check(report), "utf-8")
    return page
