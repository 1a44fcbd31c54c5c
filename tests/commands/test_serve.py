"""Mistakes of `nmt serve` are one sentence each; what it does is tested in tests/serving."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run


def test_the_help_imports_neither_torch_nor_starlette() -> None:
    code = (
        "import sys; from nmt.commands import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'starlette', 'uvicorn', 'numpy'} & {*sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_a_missing_extra_is_one_sentence(
    nmt: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for each in [*sys.modules]:
        if each.startswith(("nmt.serving.", name)):
            monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, name, None)
    result = nmt("serve")
    assert result.code == 1
    assert "pip install '.[serve]'" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_port_in_use(nmt: Run, tiny_run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = nmt("serve", "--model", tiny_run, "--port", port)
    assert result.code == 1
    assert f"port {port} on 127.0.0.1 is in use" in result.err
    assert "--port" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--model", "none"], 1, "the model none does not exist"),
        (["--model", "en-de=none"], 1, "the model none does not exist"),
        (["--model", "en-qq=none"], 2, "qq is no ISO 639 code"),
        (["--api-keys", "none"], 1, "the file of API keys none does not exist"),
        (["--host", "no host"], 1, "there is no host 'no host'"),
        (["--host", "203.0.113.7"], 1, "does not have the address 203.0.113.7"),
        (["--set", "train.seed=1"], 2, "cannot change train.seed"),
        (["--port", "70000"], 2, "70000"),
        (["--device", "cuda:99"], 2, "cuda:99"),
    ],
    ids=["model", "pair", "language", "keys", "host", "address", "setting", "port", "device"],
)
def test_mistakes_are_one_sentence(
    nmt: Run, tiny_run: Path, arguments: list[str], code: int, reason: str
) -> None:
    models = [] if "--model" in arguments else ["--model", tiny_run]
    result = nmt("serve", "--port", 0, *models, *arguments)
    assert result.code == code
    assert reason in result.err
    assert "Traceback" not in result.err


def test_two_models_for_one_pair(nmt: Run, tiny_run: Path) -> None:
    again = tiny_run / "best.safetensors"
    result = nmt("serve", "--port", 0, "--processes", 1, "--model", tiny_run, "--model", again)
    assert result.code == 2
    assert f"{tiny_run} and {again} are both for en-de" in result.err
