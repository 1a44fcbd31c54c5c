"""Model files that are damaged, foreign, too new or inconsistent: one message, exit code 1."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nmt.runs.model_file import FORMAT_VERSION
from tests.conftest import Run

Tensors = dict[str, torch.Tensor]
Metadata = dict[str, str]


def rewrite(source: Path, to: Path, change: Callable[[Tensors, Metadata], object]) -> Path:
    """Write a copy of a model file with changed content; return its path."""
    tensors = load_file(source)
    with safe_open(source, "pt") as file:
        metadata: Metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, to, metadata)
    return to


def drop_weight(tensors: Tensors, metadata: Metadata) -> None:
    del tensors["embeddings.weight"]


def misshape(tensors: Tensors, metadata: Metadata) -> None:
    tensors["embeddings.weight"] = torch.zeros(3, 16)


def add_weight(tensors: Tensors, metadata: Metadata) -> None:
    tensors["surplus"] = torch.zeros(1)


def drop_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    del tensors["tokenizer.model"]


def damage_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    tensors["tokenizer.model"] = torch.zeros(100, dtype=torch.uint8)


def float_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    tensors["tokenizer.model"] = torch.zeros(100, dtype=torch.bfloat16)


def drop_recipe(tensors: Tensors, metadata: Metadata) -> None:
    del metadata["recipe"]


def damage_recipe(tensors: Tensors, metadata: Metadata) -> None:
    metadata["recipe"] = "[model]\nheadz = 3\n"


def other_recipe(tensors: Tensors, metadata: Metadata) -> None:
    metadata["recipe"] = metadata["recipe"].replace("d_ff = 32", "d_ff = 64")


def set_newer_format(tensors: Tensors, metadata: Metadata) -> None:
    metadata.update(format_version="999", nmt_version="9.8")


def set_odd_format(tensors: Tensors, metadata: Metadata) -> None:
    metadata["format_version"] = "one"


def set_foreign_format(tensors: Tensors, metadata: Metadata) -> None:
    metadata["format"] = "pt"


def clear_metadata(tensors: Tensors, metadata: Metadata) -> None:
    metadata.clear()


def halve(tensors: Tensors, metadata: Metadata) -> None:
    tensors["embeddings.weight"] = tensors["embeddings.weight"].half()


def widen(tensors: Tensors, metadata: Metadata) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            tensors[name] = tensor.double()


def rename_weight(tensors: Tensors, metadata: Metadata) -> None:
    tensors["decoder.7.bias"] = tensors.pop("encoder.0.feed_forward.inner.bias")


def add_tokens(tensors: Tensors, metadata: Metadata) -> None:
    tensors["embeddings.weight"] = torch.zeros(50, 16)


def set_updates(text: str) -> Callable[[Tensors, Metadata], object]:
    return lambda tensors, metadata: metadata.update(updates=text)


BAD_UPDATES = [
    *("[1", "", "1", "{}", "[1.5]", "[-1]", "[null]", '["1"]', "[true]", "[NaN]", "[1e999]"),
    *(f"[{10**30}]", "[" * 5000 + "]" * 5000),
]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (drop_weight, "weights"),
        (misshape, "weights"),
        (add_weight, "weights"),
        (other_recipe, "weights"),
        (drop_tokenizer, "tokenizer"),
        (float_tokenizer, "tokenizer"),
        (drop_recipe, "recipe"),
        (damage_tokenizer, "tokenizer"),
        (damage_recipe, "model.headz'; did you mean 'heads'?"),
        (set_newer_format, "format '999', written by nmt '9.8'"),
        (set_odd_format, "format 'one'"),
        (set_foreign_format, "not a model of this program"),
        (clear_metadata, "not a model of this program"),
        (halve, "F16"),
        (widen, "F64"),
        (rename_weight, "'decoder.7.bias' does not belong to it"),
        (add_tokens, "they embed 50 tokens, but the tokenizer has 40"),
        *((set_updates(text), "the list of updates inside") for text in BAD_UPDATES),
    ],
)
@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_damaged_model_gets_one_message_with_its_name(
    nmt: Run,
    tiny_run: Path,
    tmp_path: Path,
    command: str,
    change: Callable[[Tensors, Metadata], object],
    fact: str,
) -> None:
    model = rewrite(tiny_run / "model.safetensors", tmp_path / "m.safetensors", change)
    (tmp_path / "in").write_text("sun\n")
    arguments: list[object] = [tmp_path / "in"]
    arguments += ["--output", tmp_path / "out"] if command == "translate" else [tmp_path / "in"]
    result = nmt(command, *arguments, "--model", model)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: ")
    assert str(model) in result.err
    assert fact in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_model_is_refused(
    nmt: Run, tiny_run: Path, tmp_path: Path, share: float
) -> None:
    whole = (tiny_run / "model.safetensors").read_bytes()
    model = tmp_path / "m.safetensors"
    model.write_bytes(whole[: int(share * len(whole))])
    assert_refused(nmt, tmp_path, model, "is damaged" if share else "is empty")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"plain text\n" * 50, "a text file"),
        (b"<!DOCTYPE html>\n<title>404</title>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(99), "a zip archive, such as a PyTorch file"),
        (b"\x80\x02}q\x00.", "a Python pickle"),
        (b"\xff" * 50, "not a model of this program"),
        (b"\x02" + bytes(7) + b"{}", "not a model of this program"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused(
    nmt: Run, tmp_path: Path, content: bytes, kind: str
) -> None:
    model = tmp_path / "m.safetensors"
    model.write_bytes(content)
    assert_refused(nmt, tmp_path, model, f"is {kind}")


def test_a_pipe_and_an_unreadable_file_are_no_models(nmt: Run, tmp_path: Path) -> None:
    """A pipe must not be opened: nobody may ever write into it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_refused(nmt, tmp_path, pipe, "is a pipe or a device, not a file")
    (tmp_path / "run" / "best.safetensors").mkdir(parents=True)
    folder = tmp_path / "run"
    assert_refused(nmt, tmp_path, folder, "best.safetensors is a folder, not a file")
    looped = tmp_path / "loop.safetensors"
    looped.symlink_to(looped)
    assert_refused(nmt, tmp_path, looped, "Too many levels of symbolic links")
    below = tmp_path / "in" / "m.safetensors"
    assert_refused(nmt, tmp_path, below, "does not exist; name another with --model")
    memory = Path("/proc/self/mem")
    if memory.exists():
        assert_refused(nmt, tmp_path, memory, "cannot read the model /proc/self/mem")


def assert_refused(nmt: Run, folder: Path, model: Path, fact: str) -> None:
    """Translate with a file that is not a model: the message must name it and say the fact."""
    (folder / "in").write_text("sun\n")
    result = nmt("translate", folder / "in", "--model", model)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: ")
    assert str(model) in result.err
    assert fact in result.err
    assert result.err.count("\n") == 1
    assert len(result.err) < 400


def test_loading_executes_nothing(nmt: Run, tmp_path: Path) -> None:
    """A pickle that would run code is not a model."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            # pickle would call this function with these arguments.
            return (Path.touch, (Path(tmp_path / "boom"),))  # type: ignore[return-value] # what pickle takes

    model = tmp_path / "m.safetensors"
    torch.save({"weight": Bomb()}, model)
    assert_refused(nmt, tmp_path, model, "is a zip archive, such as a PyTorch file")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_missing_model_is_named(nmt: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "in").write_text("sun\n")
    files = [tmp_path / "in"] * (2 if command == "evaluate" else 1)
    result = nmt(command, *files, "--model", tmp_path / "none")
    assert (result.code, result.out) == (1, "")
    assert f"{tmp_path / 'none'} does not exist" in result.err
    result = nmt(command, *files, "--model", tmp_path)
    assert result.code == 1
    assert str(tmp_path) in result.err
    assert "`nmt train`" in result.err


def test_the_best_model_is_used_if_there_is_no_average(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "best.safetensors").write_bytes((tiny_run / "best.safetensors").read_bytes())
    (tmp_path / "in").write_text("sun\n")
    result = nmt("translate", tmp_path / "in", "--model", tmp_path)
    assert result.code == 0
    assert "best.safetensors" in result.err


def test_a_model_file_needs_nothing_else(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("sun moon\n")
    expected = nmt("translate", tmp_path / "in", "--model", skilled_run).out
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((skilled_run / "model.safetensors").read_bytes())
    assert nmt("translate", tmp_path / "in", "--model", alone).out == expected
    with safe_open(alone, "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "nmt-transformer"
    assert metadata["format_version"] == str(FORMAT_VERSION)
    assert json.loads(metadata["updates"])


@pytest.mark.parametrize("command", ["score", "rerank"])
def test_scoring_takes_no_settings_of_the_search(
    nmt: Run, skilled_run: Path, tmp_path: Path, command: str
) -> None:
    """They would have no effect: the translations are given."""
    source = tmp_path / "in"
    source.write_text("a\n")
    given = [source, source] if command == "score" else [source, "--source", source]
    result = nmt(command, *given, "--model", skilled_run, "--set", "decode.beam_size=2")
    assert (result.code, result.out) == (2, "")
    assert "decode.beam_size has no effect here" in result.err.splitlines()[-1]
