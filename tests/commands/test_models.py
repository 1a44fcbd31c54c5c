"""Model files that are damaged, foreign, too new or do not fit: one sentence, exit code 1."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.conftest import Run

Tensors = dict[str, torch.Tensor]
Metadata = dict[str, str]


def rewrite(source: Path, to: Path, change: Callable[[Tensors, Metadata], object]) -> Path:
    """A model file with its content changed."""
    tensors = load_file(source)
    with safe_open(source, "pt") as file:
        metadata: Metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, to, metadata)
    return to


def drop_weight(tensors: Tensors, metadata: Metadata) -> None:
    del tensors["embedding"]


def misshape(tensors: Tensors, metadata: Metadata) -> None:
    tensors["embedding"] = torch.zeros(3, 16)


def add_weight(tensors: Tensors, metadata: Metadata) -> None:
    tensors["surplus"] = torch.zeros(1)


def drop_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    del tensors["tokenizer.model"]


def spoil_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    tensors["tokenizer.model"] = torch.zeros(100, dtype=torch.uint8)


def float_tokenizer(tensors: Tensors, metadata: Metadata) -> None:
    tensors["tokenizer.model"] = torch.zeros(100, dtype=torch.bfloat16)


def drop_recipe(tensors: Tensors, metadata: Metadata) -> None:
    del metadata["recipe"]


def spoil_recipe(tensors: Tensors, metadata: Metadata) -> None:
    metadata["recipe"] = "[model]\nheadz = 3\n"


def other_recipe(tensors: Tensors, metadata: Metadata) -> None:
    metadata["recipe"] = metadata["recipe"].replace("d_ff = 32", "d_ff = 64")


def newer(tensors: Tensors, metadata: Metadata) -> None:
    metadata.update(format_version="2", nmt_version="9.8")


def odd_version(tensors: Tensors, metadata: Metadata) -> None:
    metadata["format_version"] = "one"


def foreign(tensors: Tensors, metadata: Metadata) -> None:
    metadata["format"] = "pt"


def bare(tensors: Tensors, metadata: Metadata) -> None:
    metadata.clear()


def odd_updates(tensors: Tensors, metadata: Metadata) -> None:
    metadata["updates"] = "[1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_weight, "the weights in {0} do not fit its recipe: "),
        (misshape, "the weights in {0} do not fit its recipe: "),
        (add_weight, "the weights in {0} do not fit its recipe: "),
        (other_recipe, "the weights in {0} do not fit its recipe: "),
        (drop_tokenizer, "{0} lacks its tokenizer or recipe; make it anew"),
        (float_tokenizer, "{0} lacks its tokenizer or recipe; make it anew"),
        (drop_recipe, "{0} lacks its tokenizer or recipe; make it anew"),
        (spoil_tokenizer, "the tokenizer inside {0} is not a SentencePiece model"),
        (spoil_recipe, "the recipe inside {0}: unknown setting model.headz; did you mean 'heads'?"),
        (newer, "{0} has model format 2, made by nmt 9.8; this is nmt "),
        (odd_version, "{0} has model format one, "),
        (foreign, "{0} is not a model of this program; `nmt train` makes one"),
        (bare, "{0} is not a model of this program; `nmt train` makes one"),
        (odd_updates, "{0} has damaged metadata "),
    ],
)
@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_model_that_cannot_be_used(
    nmt: Run,
    tiny_run: Path,
    tmp_path: Path,
    command: str,
    change: Callable[[Tensors, Metadata], object],
    said: str,
) -> None:
    model = rewrite(tiny_run / "model.safetensors", tmp_path / "m.safetensors", change)
    (tmp_path / "in").write_text("sun\n")
    arguments: list[object] = [tmp_path / "in"]
    arguments += ["--output", tmp_path / "out"] if command == "translate" else [tmp_path / "in"]
    result = nmt(command, *arguments, "--model", model)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: " + said.format(model))
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_model(nmt: Run, tiny_run: Path, tmp_path: Path, share: float) -> None:
    whole = (tiny_run / "model.safetensors").read_bytes()
    model = tmp_path / "m.safetensors"
    model.write_bytes(whole[: int(share * len(whole))])
    check_is_no_model(nmt, tmp_path, model)


@pytest.mark.parametrize(
    "content",
    [b"plain text\n" * 50, b"\xff" * 50, b"PK\x03\x04" + bytes(99), b"\x02" + bytes(7) + b"{}"],
)
def test_a_file_that_is_no_model(nmt: Run, tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "m.safetensors"
    model.write_bytes(content)
    check_is_no_model(nmt, tmp_path, model)


def check_is_no_model(nmt: Run, folder: Path, model: Path) -> None:
    (folder / "in").write_text("sun\n")
    result = nmt("translate", folder / "in", "--model", model)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: {model} is ")
    assert "not a model" in result.err
    assert result.err.count("\n") == 1


def test_loading_executes_nothing(nmt: Run, tmp_path: Path) -> None:
    """A pickle under a model's name is no model."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            # What pickle would call: any callable and its arguments.
            return (Path.touch, (Path(tmp_path / "boom"),))  # type: ignore[return-value] # what pickle takes

    model = tmp_path / "m.safetensors"
    torch.save({"embedding": Bomb()}, model)
    check_is_no_model(nmt, tmp_path, model)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_model_that_is_not_there(nmt: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "in").write_text("sun\n")
    files = [tmp_path / "in"] * (2 if command == "evaluate" else 1)
    result = nmt(command, *files, "--model", tmp_path / "none")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: the model {tmp_path / 'none'} does not exist\n"
    result = nmt(command, *files, "--model", tmp_path)
    assert result.code == 1
    assert result.err == (f"nmt: {tmp_path} holds no trained model yet; `nmt train` makes one\n")


def test_a_run_without_its_average_gives_its_best(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
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
    assert metadata["format_version"] == "1"
    assert json.loads(metadata["updates"])
