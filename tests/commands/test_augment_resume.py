"""`nmt augment` that is stopped or killed continues to the same bytes, or says why it does not."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.decoding.files.resumable import Resumption
from nmt.system.json_data import parse_object
from tests.commands.augmentations import augment, in_languages
from tests.commands.conftest import leftovers
from tests.commands.test_translate_process import environment
from tests.conftest import CommandResult, Run
from tests.waiting import wait_until


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class KilledError(BaseException):
    """Stands for SIGKILL."""


def stop_after(
    nmt: Run, patch: pytest.MonkeyPatch, chunks: int, arguments: tuple[object, ...]
) -> None:
    """Run the command until it has written so many chunks, but not the record of the last."""
    save, left = Resumption.save, [chunks]

    def stopping(self: Resumption, done: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KilledError
        save(self, done)

    with patch.context() as context:
        context.setattr(Resumption, "save", stopping)
        with pytest.raises(KilledError):
            nmt("augment", *arguments)


@pytest.mark.parametrize("options", [(), ("--sample", "--seed", 4)], ids=["beam", "sample"])
def test_the_same_command_continues_to_the_same_bytes(
    nmt: Run,
    options: tuple[object, ...],
    skilled_run: Path,
    reverse: Path,
    mono: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = in_languages(skilled_run, tmp_path / "second.safetensors", "de", "en")
    job = ("back-translation", mono, "--model", reverse, "--model", second, *options)
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    augment(nmt, *job, "-o", tmp_path / "whole" / "out")
    stopped = (*job, "-o", tmp_path / "stopped" / "out")
    for chunks in (2, 1, 3):  # each start continues the one before; the last is in the second pass
        stop_after(nmt, monkeypatch, chunks, stopped)
        assert {*leftovers(tmp_path / "stopped")} == {
            "out.translations.jsonl.partial",
            "out.translations.jsonl.partial.json",
        }
    augment(nmt, *stopped)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_killed_command_is_continued(nmt: Run, reverse: Path, big: Path, tmp_path: Path) -> None:
    big.write_text("".join(big.read_text().splitlines(keepends=True)[:4000]))
    job = ("back-translation", big, "--model", reverse, "--beam-size", 1)
    killed = [*map(str, (*job, "-o", f"{tmp_path}/killed/"))]
    record = tmp_path / "killed" / "translations.jsonl.partial.json"
    with subprocess.Popen(
        [sys.executable, "-m", "nmt", "augment", *killed],
        stderr=subprocess.DEVNULL,
        env=environment(1),
    ) as process:
        wait_until(
            lambda: record.exists() and parse_object(record.read_text(), "it")["lines"], process
        )
        process.kill()
        assert process.wait() == -signal.SIGKILL
    augment(nmt, *killed)
    augment(nmt, *job, "-o", f"{tmp_path}/whole/")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_another_model_text_or_setting_is_not_continued(
    nmt: Run,
    reverse: Path,
    skilled_run: Path,
    mono: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefix = ("-o", tmp_path / "out")
    job = ("back-translation", mono, "--model", reverse, *prefix)
    stop_after(nmt, monkeypatch, 2, job)
    other = in_languages(skilled_run, tmp_path / "other.safetensors", "de", "fr")
    before = mono.read_bytes()

    def refused(result: CommandResult, reason: str) -> None:
        assert result.code == 2
        assert reason in result.err.splitlines()[-1]
        assert "are kept in" not in result.err  # the same command would not continue

    refused(nmt("augment", *job, "--beam-size", 2), "another model or other options")
    changed = ("back-translation", mono, "--model", other, *prefix)
    refused(nmt("augment", *changed), "another model or other options")
    mono.write_bytes(before.replace(b"sun", b"moon", 1))
    refused(nmt("augment", *job), "no longer those of the source")
    mono.write_bytes(before)
    augment(nmt, *job, "--batch-tokens", 600)
