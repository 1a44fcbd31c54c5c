"""The tutorial from an import to a server, line by line in a shell, with a smaller model.

It leaves out what needs the network, and the training that only a real model takes.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.docs.markdown import DOCS, ROOT, parts, shell_lines

PAGE = DOCS / "tutorials" / "import-to-server.md"
LEFT_OUT = ("pip ", "nmt fetch ", "nmt train mine.toml", "nmt serve ", "curl ")
# The page's commands, with sizes that train and translate in seconds.
SHELL = f"""
set -eo pipefail
python() {{
    {shlex.quote(sys.executable)} {shlex.quote(str(ROOT))}/"$1" "${{@:2}}" \\
        --d-model 16 --heads 2 --layers 1 --vocab-size 300
}}
nmt() {{
    local more=()
    case $1 in
        train) more=(--max-updates 2 --set decode.beam_size=1 --set decode.max_extra_tokens=1) ;;
        evaluate) more=(--set decode.beam_size=1 --set decode.max_extra_tokens=1) ;;
    esac
    {shlex.quote(sys.executable)} -m nmt "$@" "${{more[@]}}"
}}
"""


def write_recipes(folder: Path) -> None:
    """Write the recipes that the page shows in full; `nmt init` writes mine.toml itself."""
    for block in parts(PAGE)[0]:
        if block.text.startswith("# random.toml"):
            (folder / "random.toml").write_text(block.text, encoding="utf-8")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)} | {"NMT_DATA_DIR": "data"}


@pytest.mark.slow
def test_every_line_works(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pocket").symlink_to(ROOT / "data" / "pocket")
    write_recipes(tmp_path)
    kept = [each for each in shell_lines(PAGE) if not each.startswith(LEFT_OUT)]
    assert any("nmt import" in each for each in kept)
    script = SHELL + "\n".join(kept)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (serving,) = [each for each in shell_lines(PAGE) if each.startswith("nmt serve ")]
    asked = [shlex.split(each) for each in shell_lines(PAGE) if each.startswith("curl ")]
    assert asked
    command = [sys.executable, "-m", *shlex.split(serving), "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address = next(
            match[1] for line in server.stderr if (match := re.search(r"(http://[\d.:]+)", line))
        )
        try:
            for words in asked:
                answer(address, words)
        finally:
            server.terminate()


def answer(address: str, words: list[str]) -> None:
    """Send what a line of curl sends; the answer must be JSON and no error."""
    path = words[1].partition(":5000")[2]
    fields = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-d")
    data = urlencode(fields).encode() or None
    with urlopen(f"{address}{path}", data) as response:  # noqa: S310 (our own server)
        assert response.status == 200
        assert json.load(response)
