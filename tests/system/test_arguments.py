"""Arguments and paths are UTF-8, whatever the locale is."""

import os
import subprocess
import sys

import pytest

LOCALES = [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


def nmt(arguments: list[bytes], locale: dict[str, str]) -> tuple[int, str]:
    """Run `nmt` in a locale; return its exit code and stderr."""
    environment = {**os.environ, **locale}
    command = [os.fsencode(sys.executable), b"-m", b"nmt", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize("locale", LOCALES)
def test_text_and_paths_are_utf_8_in_every_locale(locale: dict[str, str]) -> None:
    code, message = nmt([b"explain", "Größe".encode(), "süß".encode()], locale)
    assert code == 2
    assert message == 'nmt: put the sentence in quotes: write nmt explain "Größe süß"\n'


def test_other_bytes_are_refused_and_printed() -> None:
    code, message = nmt([b"explain", b"Gr\xf6\xdfe"], LOCALES[1])
    assert (code, message) == (1, "nmt: the text is not UTF-8\n")
    code, message = nmt([b"average", "läufe/".encode() + b"Gr\xf6\xdfe"], LOCALES[1])
    assert code == 1
    assert r"läufe/Gr\udcf6\udcdfe" in message
