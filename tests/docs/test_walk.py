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
    section = WALK.read_text(encoding="utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = (code_spans(line) for line in section.splitlines() if line.startswith("| `"))
    return [(file, function) for file, function, *_ in rows]


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


TRANSLATE = ("translate", "in.src", "--model", "MODEL")


@pytest.mark.parametrize(
    ("heading", "arguments"),
    [
        ("One sentence, from file to hypothesis", [*TRANSLATE, "--output", "out.tgt"]),
        ("The same sentence with PyTorch", [*TRANSLATE, "--set", "decode.precision=bf16"]),
        ("One pair, from corpus to gradient", ["train", "tiny.toml", "--max-updates", 2]),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_the_program_goes_this_way(
    heading: str, arguments: list[object], tiny_run: Path, nmt: Run
) -> None:
    Path("in.src").write_text("sun moon star\n", encoding="utf-8")
    with traced() as calls:
        result = nmt(*(tiny_run if word == "MODEL" else word for word in arguments))
    assert result.code == 0, result.err
    check_order(steps(f"## {heading}"), calls)
