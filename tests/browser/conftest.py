"""A real headless Chromium, and pages of `nmt` opened in it from disk.

Screenshots are kept in build/screenshots/, to be looked at.
"""

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from nmt.artifacts.model_file import load_model
from nmt.artifacts.run_folder import RunFolder
from nmt.commands import main
from nmt.studio.explain.page import page_of
from nmt.studio.explain.story import Explanation, tell
from nmt.studio.report.page import page_of as report_of
from tests.conftest import WORDS, write_tiny_corpus

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

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
    """What the tests do in a browser."""

    def __init__(self, driver: "WebDriver") -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Show a page in a window of so many pixels, in a colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        # Though a test before tabbed out of its page.
        self.driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.driver.get(page.resolve().as_uri())

    def all(self, selector: str) -> "list[WebElement]":
        """Every element of a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> "WebElement":
        """The first of them."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """What the first of them says, folded or not."""
        return self.texts(selector)[0]

    def texts(self, selector: str) -> list[str]:
        """What each of them says."""
        every = "return [...document.querySelectorAll(arguments[0])].map((x) => x.textContent)"
        return list(self.driver.execute_script(every, selector))

    def focus(self, selector: str) -> None:
        """Put the keyboard's focus on it."""
        self.run("arguments[0].focus()", self.one(selector))

    def click(self, selector: str) -> None:
        """Click it, wherever on the page it is."""
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def hover(self, selector: str) -> None:
        """Move the pointer over it."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).move_to_element(self.one(selector)).perform()

    def press(self, keys: str) -> None:
        """Keys, to what has the focus."""
        self.driver.switch_to.active_element.send_keys(keys)

    def run(self, script: str, *arguments: object) -> object:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, happens: Callable[[], bool]) -> None:
        """Wait for what the page does of itself."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, timeout=30, poll_frequency=0.05).until(lambda _: happens())

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        return int(str(self.run("return document.documentElement.scrollWidth - window.innerWidth")))

    def complaints(self) -> list[str]:
        """What the console holds since it was last asked: errors, and what the policy blocked."""
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call] # Selenium's
        return [str(each["message"]) for each in log]

    def shoot(self, name: str, selector: str | None = None, through: str | None = None) -> Path:
        """Keep a screenshot of the window, or of an element, down to the end of one inside."""
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
        return path


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    """Chromium, started once."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip(HELP)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    flags = ["--headless=new", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium has none for root
    for flag in (*flags, "--disable-dev-shm-usage", "--force-color-profile=srgb"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=chromedriver)
    with webdriver.Chrome(options=options, service=service) as chrome:
        chrome.set_script_timeout(60)
        yield chrome


@pytest.fixture
def browser(driver: "WebDriver") -> Iterator[Browser]:
    """It; the test fails if its page complains on the console."""
    one = Browser(driver)
    one.complaints()
    yield one
    assert one.complaints() == []


@pytest.fixture(scope="session")
def story(skilled_run: Path) -> Explanation:
    model = load_model(skilled_run, torch.device("cpu"))
    return tell(model, SENTENCE, model.recipe.decode, print)


@pytest.fixture(scope="session")
def page(story: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(story, tmp_path_factory.mktemp("page"))


def write(story: Explanation, folder: Path) -> Path:
    """A story's page on disk."""
    path = folder / "page.html"
    path.write_text(page_of(story), encoding="utf-8")
    return path


def demo_pages(kind: str) -> list[Path]:
    """The pages of a kind, "explain" or "report", that `make explain-demo` built and named."""
    named = filter(None, os.environ.get("NMT_DEMO_PAGES", "").split(os.pathsep))
    return [path for path in map(Path, named) if path.name.startswith(f"{kind}-")]


HEBREW = ["שמש", "ירח", "כוכב", "גשם", "שלג", "רוח", "עץ", "עלה", "שורש", "זרע"]


@pytest.fixture(scope="session")
def hebrew_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a tiny model that was shown a little Hebrew."""
    folder = tmp_path_factory.mktemp("hebrew")
    recipe = write_tiny_corpus(folder)
    for path in [*folder.glob("*.src"), *folder.glob("*.tgt")]:
        text = path.read_text()
        for word, translated in zip(WORDS, HEBREW, strict=True):
            text = text.replace(word, translated).replace(word.upper(), translated)
        path.write_text(text, encoding="utf-8")
    run = folder / "runs" / "hebrew"
    with pytest.raises(SystemExit) as end:
        main(["train", str(recipe), "--data-dir", str(folder), "--run", str(run)])
    assert not end.value.code
    return run


@pytest.fixture(scope="session")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The tiny run with an evaluation card in its folder."""
    folder = tmp_path_factory.mktemp("report") / "tiny"
    shutil.copytree(tiny_run, folder, ignore=shutil.ignore_patterns("checkpoints"))
    (folder / "card.json").write_text(json.dumps(CARD))
    return RunFolder(folder)


@pytest.fixture(scope="session")
def report_page(run: RunFolder) -> Path:
    run.report.write_text(report_of([run]), encoding="utf-8")
    return run.report


@pytest.fixture(scope="session")
def both(run: RunFolder, skilled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("both") / "report.html"
    path.write_text(report_of([run, RunFolder(skilled_run)]), encoding="utf-8")
    return path
