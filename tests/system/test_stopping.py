"""Signals that ask a command to stop are never lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import NmtError
from tests.conftest import Run

# It is asked to stop while it imports a module that loses every exception, as PyTorch's does.
IMPORTING = """
import signal, sys, time
from nmt.system.stopping import after_imports, on_stop_signals
on_stop_signals(after_imports(lambda number, frame: sys.exit(128 + number)))
import careless
print("imported", flush=True)
time.sleep(60)
"""
CARELESS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIG)
    sum(range(10**6))
except BaseException:
    print("lost")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_waits_for_the_end_of_an_import(tmp_path: Path, name: str) -> None:
    (tmp_path / "careless.py").write_text(CARELESS.replace("SIG)", f"{name})"))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    command = [sys.executable, "-c", IMPORTING]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout == "imported\n"
    assert ended.returncode == 128 + getattr(signal, name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_library_that_hides_a_signal_in_an_error_changes_nothing(
    nmt: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def hide(*arguments: object, **options: object) -> None:
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise NmtError("the model is damaged") from error

    monkeypatch.setattr("nmt.commands.cli.main", hide)
    ended = nmt("inspect")
    assert (ended.code, ended.out, ended.err) == (128 + number, "", "")
