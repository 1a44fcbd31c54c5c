"""`nmt translate --interactive` on a pseudo-terminal: what is typed, shown, kept and refused."""

import codecs
import os
import pty
import select
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pytest

from nmt.decoding.files.interactive import KEPT_LINES, save_history
from tests.commands.conftest import Model, command, environment
from tests.conftest import Run
from tests.waiting import wait_until

CTRL_C, CTRL_D, UP, LEFT = "\x03", "\x04", "\x1b[A", "\x1b[D"
PROMPT = "> "
SECONDS = 120


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, arguments: list[str], variables: dict[str, str]) -> None:
        self._process, self._screen = pty.fork()
        if not self._process:
            os.execve(arguments[0], arguments, variables)  # noqa: S606 (no user string)
        self._unread = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end in a character

    def wait_for(self, text: str) -> str:
        """Return what appears until a text does, without it."""
        deadline = time.monotonic() + SECONDS
        while text not in self._unread:
            ready, _, _ = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} never came: {self._unread!r}"
            self._unread += self._decoder.decode(os.read(self._screen, 1 << 16))
        before, _, self._unread = self._unread.partition(text)
        return before

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def ask(self, line: str) -> list[str]:
        """Type a line at the prompt, and return the lines that appear before the next prompt."""
        self.press(f"{line}\r")
        self.wait_for("\n")  # the echo of what was typed
        return self.wait_for(PROMPT).split("\r\n")[:-1]

    def wait_until_idle(self) -> None:
        """Wait until the program waits for a key.

        Python notices Ctrl-C at the prompt only if it comes then. After a Ctrl-C that came while
        readline handled the key before, it waits for another key.
        """
        status = Path(f"/proc/{self._process}/task/{self._process}/stat")
        wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "S")

    def end(self) -> int:
        """Close the input, read the rest and return the exit code."""
        self.press(CTRL_D)
        while True:
            try:
                if not os.read(self._screen, 1 << 16):
                    break
            except OSError:  # EIO: the program has closed its terminal
                break
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        return os.waitstatus_to_exitcode(status)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._process:
            os.kill(self._process, 9)
            os.waitpid(self._process, 0)
        os.close(self._screen)


Start = Callable[..., Terminal]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def start(skilled_run: Path, state: Path) -> Iterator[Start]:
    """Return a function that starts `nmt translate --interactive` and waits for its prompt."""
    opened = []

    def begin(*arguments: object, **variables: str) -> Terminal:
        given = environment() | {"TERM": "dumb", "XDG_STATE_HOME": str(state)} | variables
        given.pop("NMT_HISTORY", None) if "NMT_HISTORY" not in variables else None
        terminal = Terminal(command(skilled_run, "--interactive", *arguments), given)
        opened.append(terminal)
        terminal.wait_for(PROMPT)
        return terminal

    yield begin
    for terminal in opened:
        terminal.__exit__(None, None, None)


def test_lines_are_translated_edited_and_remembered(
    nmt: Run, skilled: Model, source: Path, state: Path, start: Start
) -> None:
    """One program: the model is loaded once. Another finds its history."""
    expected = skilled.translate(source).out.splitlines()
    terminal = start()
    assert terminal.ask("sun moon") == [expected[0]]
    assert terminal.ask("  ") == []
    assert terminal.ask("star rain snow") == [expected[2]]
    assert terminal.ask(UP + UP) == [expected[0]]
    assert terminal.ask(f"sun moo{LEFT}{LEFT}{LEFT}\x0bmoon") == [expected[0]]  # Ctrl-K cuts
    note, _ = terminal.ask("sun \u2603")
    assert note.startswith("characters that are not in the vocabulary")
    assert "\u2603 (line 1)" in note
    terminal.press("never asked")
    terminal.wait_for("never asked")  # the terminal drops what is typed with Ctrl-C
    terminal.wait_until_idle()
    terminal.press(CTRL_C)
    terminal.wait_for(PROMPT)
    assert terminal.ask("sun moon") == [expected[0]]
    assert terminal.end() == 0

    history = state / "nmt" / "history"
    asked = ["sun moon", "star rain snow", "sun moon", "sun \u2603", "sun moon"]
    assert history.read_text(encoding="utf-8").splitlines() == asked
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (history, history.parent)]
    assert modes == [0o600, 0o700]
    again = start()
    assert again.ask(UP * 4) == [expected[2]]
    assert again.end() == 0


def test_candidates_are_shown_with_their_scores(
    skilled: Model, source: Path, state: Path, start: Start
) -> None:
    """The history may be off."""
    (expected, *_) = skilled.candidates(source, "--n-best", 3)
    terminal = start("--n-best", 3, NMT_HISTORY="")
    found = [shown.split(maxsplit=1) for shown in terminal.ask("sun moon")]
    assert [text for _, text in found] == [candidate["text"] for candidate in expected]
    scores = [candidate["score"] for candidate in expected]
    assert [float(score) for score, _ in found] == pytest.approx(scores, abs=1e-3)
    assert terminal.end() == 0
    assert not state.exists()


def test_the_history_is_bounded(tmp_path: Path) -> None:
    named = tmp_path / "mine"
    named.write_text("".join(f"{number}\n" for number in range(2 * KEPT_LINES)))
    save_history(named, ["sun"])
    kept = named.read_text().splitlines()
    assert kept == [*map(str, range(KEPT_LINES + 1, 2 * KEPT_LINES)), "sun"]
    assert stat.S_IMODE(named.stat().st_mode) == 0o600


def test_a_history_that_cannot_be_written_or_shown(tmp_path: Path, start: Start) -> None:
    """What the terminal cannot write may be in a history."""
    named = tmp_path / "mine"
    named.write_text("sun\n\U0001f600\n", encoding="utf-8")
    terminal = start(NMT_HISTORY=str(named), LC_ALL="C")
    terminal.ask("moon \U0001f600")
    assert terminal.end() == 0
    assert named.read_text(encoding="utf-8").startswith("sun\n\U0001f600\nmoon ")
    terminal = start(XDG_STATE_HOME=str(named))
    terminal.ask("sun")
    terminal.press(CTRL_D)
    assert "the history is not saved: " in terminal.wait_for("NMT_HISTORY= turns it off")
    assert terminal.end() == 0
