"""Model files that are damaged, foreign, too new or inconsistent: one message, exit code 1."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nmt.errors import NmtError
from nmt.runs.trained_model import load_model
from tests.conftest import Run

Tensors = dict[str, torch.Tensor]
Metadata = dict[str, str]
Change = Callable[[Tensors, Metadata], object]  # of a model file's content

INNER = "encoder.0.feed_forward.inner.bias"
BAD_UPDATES = ["[1", "", "{}", "[-1]", "[" * 5000 + "]" * 5000]


def tensors(**changes: torch.Tensor | None) -> Change:
    """Return a change of tensors, whose names have "__" for a dot; None removes one."""

    def changed(found: Tensors, _: Metadata) -> None:
        for key, tensor in changes.items():
            name = key.replace("__", ".")
            if tensor is None:
                del found[name]
            else:
                found[name] = tensor

    return changed


def metadata(**changes: str) -> Change:
    return lambda _, found: found.update(changes)


CHANGES: list[tuple[Change, str]] = [
    (tensors(embeddings__weight=None), "there is no matrix"),
    (tensors(embeddings__weight=torch.zeros(3, 16)), "they embed 3 tokens, but the tokenizer has"),
    (tensors(embeddings__weight=torch.zeros(40, 16).half()), "F16"),
    (tensors(surplus=torch.zeros(1)), "'surplus' does not belong to it"),
    (
        lambda found, _: found.update({"decoder.7.bias": found.pop(INNER)}),
        "'decoder.7.bias' does not belong to it",
    ),
    (
        lambda _, found: found.update(recipe=found["recipe"].replace("d_ff = 32", "d_ff = 64")),
        "'decoder.0.feed_forward.inner.bias' is 32 instead of 64",
    ),
    (tensors(tokenizer__model=None), "no tokenizer"),
    (tensors(tokenizer__model=torch.zeros(100, dtype=torch.bfloat16)), "no tokenizer"),
    (tensors(tokenizer__model=torch.zeros(100, dtype=torch.uint8)), "the tokenizer inside"),
    (lambda _, found: found.pop("recipe"), "no recipe"),
    (metadata(recipe="[model]\nheadz = 3\n"), "model.headz'; did you mean 'heads'?"),
    (metadata(format_version="999", nmt_version="9.8"), "format '999', written by nmt '9.8'"),
    (metadata(format="pt"), "not a model of this program"),
    (lambda _, found: found.clear(), "not a model of this program"),
    *((metadata(updates=text), "the list of updates inside") for text in BAD_UPDATES),
]


def refuse(model: Path, fact: str) -> None:
    """Load a file that is not a model: the message must name it and say the fact."""
    with pytest.raises(NmtError, match=re.escape(fact)) as error:
        load_model(model, "cpu")
    message = str(error.value)
    assert str(model) in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(("change", "fact"), CHANGES)
def test_a_damaged_model_gets_one_message_with_its_name(
    tiny_run: Path, tmp_path: Path, change: Change, fact: str
) -> None:
    source, model = tiny_run / "model.safetensors", tmp_path / "m.safetensors"
    found = load_file(source)
    with safe_open(source, "pt") as file:
        known: Metadata = dict(file.metadata())
    change(found, known)
    save_file(found, model, known)
    refuse(model, fact)


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_model_is_refused(tiny_run: Path, tmp_path: Path, share: float) -> None:
    whole = (tiny_run / "model.safetensors").read_bytes()
    model = tmp_path / "m.safetensors"
    model.write_bytes(whole[: int(share * len(whole))])
    refuse(model, "is damaged" if share else "is empty")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"plain text\n" * 50, "a text file"),
        (b"PK\x03\x04" + bytes(99), "a zip archive, such as a PyTorch file"),
        (b"\xff" * 50, "not a model of this program"),
        (b"\x02" + bytes(7) + b"{}", "not a model of this program"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    model = tmp_path / "m.safetensors"
    model.write_bytes(content)
    refuse(model, f"is {kind}")


def test_a_pipe_and_an_unreadable_file_are_no_models(tmp_path: Path) -> None:
    """A pipe must not be opened: nobody may ever write into it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refuse(pipe, "is a pipe or a device, not a file")
    folder = tmp_path / "run"
    (folder / "best.safetensors").mkdir(parents=True)
    refuse(folder, "best.safetensors is a folder, not a file")
    looped = tmp_path / "loop.safetensors"
    looped.symlink_to(looped)
    refuse(looped, "Too many levels of symbolic links")
    refuse(tmp_path / "in" / "m.safetensors", "does not exist; name another with --model")
    memory = Path("/proc/self/mem")
    if memory.exists():
        refuse(memory, "cannot read the model /proc/self/mem")


def test_loading_executes_nothing(tmp_path: Path) -> None:
    """A pickle that would run code is not a model."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            # pickle would call this function with these arguments.
            return (Path.touch, (Path(tmp_path / "boom"),))  # type: ignore[return-value] # what pickle takes

    model = tmp_path / "m.safetensors"
    torch.save({"weight": Bomb()}, model)
    refuse(model, "is a zip archive, such as a PyTorch file")
    assert not (tmp_path / "boom").exists()


def test_scoring_takes_no_settings_of_the_search(nmt: Run, tiny_run: Path) -> None:
    """They would have no effect: the translations are given."""
    Path("in").write_text("a\n")
    for given in (["score", "in", "in"], ["rerank", "in", "--source", "in"]):
        result = nmt(*given, "--model", tiny_run, "--set", "decode.beam_size=2")
        assert (result.code, result.out) == (2, "")
        assert "decode.beam_size has no effect here" in result.err.splitlines()[-1]
