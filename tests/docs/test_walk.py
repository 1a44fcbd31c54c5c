"""The walk through the code is what the program does: a trace finds its functions in its order."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import nmt as package
from tests.conftest import Run
from tests.docs.markdown import DOCS, code_spans

WALK = DOCS / "explanation" / "walk.md"
ROOT = Path(package.__file__).parents[1]
REHEARSAL = "choose_settings"  # runs the functions of an update before the first one

Function = tuple[str, str]  # file and qualified name


def steps(heading: str) -> list[Function]:
    """Return the functions in the tables below a heading of level 2, in order."""
    lines = WALK.read_text(encoding="utf-8").splitlines()
    begin = lines.index(heading)
    later = (number for number, line in enumerate(lines) if number > begin and line[:3] == "## ")
    end = next(later, len(lines))
    found = []
    for line in lines[begin:end]:
        if line.startswith("| `"):
            file, function, *_ = code_spans(line)
            found.append((file, function))
    return found


@contextmanager
def traced() -> Iterator[list[Function]]:
    """Give a list that receives each function of the package when it is first called."""
    calls: list[Function] = []
    seen: set[Function] = set()
    rehearsals = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal rehearsals
        code = frame.f_code
        if not code.co_filename.startswith(f"{ROOT}/nmt/"):
            return
        if code.co_name == REHEARSAL:
            rehearsals += {"call": 1, "return": -1}.get(event, 0)
        function = code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname
        if event == "call" and not rehearsals and function not in seen:
            seen.add(function)
            calls.append(function)

    gc.collect()  # closing the generators of earlier tests would count as calls
    before: Callable[..., object] | None = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def check_order(named: list[Function], calls: list[Function]) -> None:
    """Raise AssertionError unless the named functions are called, in their order.

    A function that is named a second time was called before.
    """
    assert len(named) > 20
    last = -1
    for function in dict.fromkeys(named):
        assert function in calls, f"{function} is not called"
        place = calls.index(function)
        assert place > last, f"{function} is called before {calls[last]}"
        last = place


def test_a_sentence_goes_this_way(tiny_run: Path, tiny: Path, nmt: Run) -> None:
    (tiny.parent / "in.src").write_text("sun moon star\n", encoding="utf-8")
    with traced() as calls:
        result = nmt("translate", "in.src", "--model", tiny_run, "--output", "out.tgt")
    assert result.code == 0, result.err
    check_order(steps("## One sentence, from file to hypothesis"), calls)


def test_a_sentence_goes_this_way_with_pytorch(tiny_run: Path, tiny: Path, nmt: Run) -> None:
    (tiny.parent / "in.src").write_text("sun moon star\n", encoding="utf-8")
    with traced() as calls:
        result = nmt("translate", "in.src", "--model", tiny_run, "--set", "decode.precision=bf16")
    assert result.code == 0, result.err
    check_order(steps("## The same sentence with PyTorch"), calls)


def test_a_pair_goes_this_way(tiny: Path, nmt: Run) -> None:
    with traced() as calls:
        result = nmt("train", tiny, "--max-updates", 2)
    assert result.code == 0, result.err
    check_order(steps("## One pair, from corpus to gradient"), calls)


def test_a_wrong_order_is_found() -> None:
    named = [(f"nmt/{number}.py", "run") for number in range(30)]
    check_order(named, named)
    for wrong in ([*named[:-1], ("nmt/other.py", "run")], [*named[5:], *named[:5]]):
        with pytest.raises(AssertionError):
            check_order(wrong, named)
