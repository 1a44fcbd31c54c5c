"""The model file: equal models have equal bytes; it is read back exactly; others are refused."""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from nmt.decoding.models.pytorch import make_decoder
from nmt.errors import DamagedError, NmtError
from nmt.kernels import linear
from nmt.kernels.eight_bits import EightBits
from nmt.model.recurrent import Recurrent
from nmt.model.transformer import Transformer
from nmt.recipe.files import load_recipe
from nmt.recipe.size import count_parameters
from nmt.runs.model_file import ModelFile, average, find_model, open_model, read_model, save_model
from nmt.runs.run_folder import MANIFEST, STATE, RunFolder
from nmt.runs.trained_model import load_ensemble, load_model, to_arrays
from nmt.text.subwords.tokenizer import PAD
from tests.conftest import Run

RECIPE = load_recipe(
    "pocket",
    ["model.encoder_layers=1", "model.decoder_layers=1", "model.d_model=2", "model.d_ff=1"],
)
V = 3


def network_weights(value: float = 0.0) -> dict[str, NDArray[numpy.float32]]:
    """Return the weights of a small network; the first number is `value`."""
    weights = to_arrays(Transformer(RECIPE.model, V, PAD).state_dict())
    weights["embeddings.weight"][0, 0] = value
    return weights


def test_the_content_is_read_back_and_equal_models_have_equal_bytes(tmp_path: Path) -> None:
    weights = network_weights()
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for path in (one, two):
        save_model(path, ModelFile(weights, b"tokenizer", RECIPE, (4, 8), known_text=b"known"))
    assert one.read_bytes() == two.read_bytes()
    content = read_model(one)
    assert (content.tokenizer, content.recipe.model) == (b"tokenizer", RECIPE.model)
    assert content.known_text == b"known"
    assert content.updates == (4, 8)
    assert content.weights.keys() == weights.keys()
    assert all(numpy.array_equal(content.weights[name], array) for name, array in weights.items())


def test_the_average_is_summed_in_float64(tmp_path: Path) -> None:
    """A sum in float32 would be wrong: 2^24 + 1 is rounded to 2^24."""
    paths = []
    for update, value in enumerate((2.0**24, 1.0, 1.0, 2.0)):
        paths.append(tmp_path / f"{update}.safetensors")
        known = b"known" if update else b""  # an older version wrote the first one
        content = ModelFile(
            network_weights(value), b"tokenizer", RECIPE, (update,), known_text=known
        )
        save_model(paths[-1], content)
    mean = average(paths)
    assert mean.weights["embeddings.weight"][0, 0] == 2.0**22 + 1
    assert (mean.updates, mean.known_text) == ((0, 1, 2, 3), b"known")


@pytest.mark.parametrize("change", ["shape", "names"])
def test_a_file_whose_weights_do_not_fit_its_recipe_is_refused(tmp_path: Path, change: str) -> None:
    """Both have as many numbers as the recipe says."""
    paths = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    save_model(paths[0], ModelFile(network_weights(), b"tokenizer", RECIPE, (1,)))
    weights = network_weights()
    matrix = weights.pop("encoder.0.feed_forward.inner.weight")
    if change == "shape":
        weights["encoder.0.feed_forward.inner.weight"] = matrix.T
    else:
        weights["encoder.0.feed_forward.inner.wait"] = matrix
    save_model(paths[1], ModelFile(weights, b"tokenizer", RECIPE, (2,)))
    with pytest.raises(NmtError, match=r"two.*do not fit its recipe"):
        average(paths)


def test_a_run_folder_names_its_model(tiny_run: Path, tmp_path: Path) -> None:
    model = tiny_run / "model.safetensors"
    assert find_model(tiny_run) == find_model(model) == model
    with pytest.raises(NmtError, match=r"nothing\.safetensors does not exist"):
        find_model(tmp_path / "nothing.safetensors")


def test_an_ensemble_has_each_model_once(tiny_run: Path) -> None:
    """A run folder and its model file are the same model."""
    with pytest.raises(NmtError, match="is named twice"):
        load_ensemble([tiny_run, tiny_run / "model.safetensors"], "cpu")


def with_recipe(source: Path, to: Path, change: Callable[[str], str]) -> Path:
    """Write a copy of a model file with another recipe; return its path."""
    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata())
    metadata["recipe"] = change(metadata["recipe"])
    save_file(load_file(source), to, metadata)
    return to


def deeper(text: str) -> str:
    """Return a recipe with as many layers as a recipe may have."""
    return text.replace("encoder_layers = 1", "encoder_layers = 100")


def wider(text: str) -> str:
    """Return a recipe whose network would take a gigabyte."""
    return deeper(text).replace("d_ff = 32", "d_ff = 60000").replace("d_v = 8", "d_v = 4000")


def test_the_header_says_what_a_model_holds(tiny_run: Path) -> None:
    with open_model(tiny_run / "model.safetensors") as model:
        assert model.updates == (8, 12)
        assert model.parameters == count_parameters(model.recipe.model, 40)


@pytest.mark.parametrize("change", [deeper, wider])
@pytest.mark.parametrize("command", ["translate", "inspect", "train"])
def test_no_network_is_made_of_a_recipe_that_the_weights_do_not_fit(
    nmt: Run,
    tiny_run: Path,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    change: Callable[[str], str],
) -> None:
    """Such a network takes any amount of memory."""
    model = with_recipe(tiny_run / "model.safetensors", Path("m.safetensors"), change)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a network is made, or a tensor is loaded")

    monkeypatch.setattr("nmt.model.transformer.Transformer.__init__", refuse)
    arguments: dict[str, list[object]] = {
        "translate": ["dev.src", "--model", model],
        "inspect": [model],
        "train": [tiny, "--init-from", model],
    }
    result = nmt(command, *arguments[command])
    assert (result.code, result.out) == (1, "")
    assert re.search(
        r"do not fit its recipe: '\w+[.\w]*' (is .* instead of|is missing|does not belong)",
        result.err,
    )
    assert result.err.count("\n") == 1


def test_matrices_in_8_bits_are_read_into_float32(tmp_path: Path) -> None:
    """Whole steps of a row are kept exactly, others are rounded; vectors stay as they are."""
    weights = network_weights()
    weights["embeddings.weight"][:] = [[180.0, -91.2], [0.0, 0.0], [-0.25, 0.125]]
    weights["encoder.0.feed_forward.inner.bias"][:] = 0.3
    path = tmp_path / "m.safetensors"
    save_model(path, ModelFile(weights, b"tokenizer", RECIPE, (1,)), in_8_bits=True)
    found = read_model(path)
    assert found.weights["embeddings.weight"].tolist() == [[180, -92], [0, 0], [-0.25, 0.125]]
    assert found.eight_bits["embeddings.weight"].steps.tolist() == [[90, -46], [0, 0], [-90, 45]]
    assert found.weights.keys() == weights.keys()
    for name, array in weights.items():
        assert found.weights[name].dtype == numpy.float32
        assert (name in found.eight_bits) == (array.ndim == 2)
        assert array.ndim == 2 or numpy.array_equal(found.weights[name], array)


SMALL = "encoder.0.feed_forward.inner"
SCALE = f"{SMALL}.weight.scales"


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({SCALE: None}, "scales' is missing"),
        ({SCALE: numpy.ones(2, "f4")}, "scales' is 2 instead of 1"),
        ({SCALE: numpy.ones(1, "f2")}, "scales' has the type 'F16' instead of F32"),
        *(
            ({SCALE: numpy.full(1, scale, "f4")}, "has a scale that is not a positive number")
            for scale in (math.nan, math.inf, -1, 0, 3e38)
        ),
        ({f"{SMALL}.weight": numpy.full((1, 2), -128, "i1")}, "has steps beyond 90"),
        ({f"{SMALL}.weight": numpy.ones((1, 2), "f4")}, "has the type 'F32' instead of I8"),
        ({f"{SMALL}.weight": numpy.ones((1, 2), "u1")}, "has the type 'U8' instead of I8"),
        ({f"{SMALL}.bias": numpy.ones(1, "i1")}, "has the type 'I8' instead of F32"),
        ({f"{SMALL}.bias.scales": numpy.ones(1, "f4")}, "does not belong to it"),
        ({"format_version": "2"}, "does not belong to it"),
        ({"known_text": numpy.ones(3, "f4")}, "'known_text' is not bytes"),
    ],
)
def test_a_bad_file_in_8_bits_is_refused(
    tmp_path: Path, changes: dict[str, Any], fact: str
) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, ModelFile(network_weights(), b"tokenizer", RECIPE, (1,)), in_8_bits=True)
    with safe_open(path, "np") as file:
        metadata = {name: changes.get(name, text) for name, text in file.metadata().items()}
        tensors = {name: changes.get(name, file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    tensors |= {name: array for name, array in changes.items() if name not in metadata}
    save_arrays(
        {name: tensors[name] for name in tensors if tensors[name] is not None}, path, metadata
    )
    with pytest.raises(DamagedError, match=re.escape(fact)):
        read_model(path)


def test_an_export_in_8_bits_is_a_model_of_a_quarter_of_the_size(
    nmt: Run, tiny_run: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It translates as its weights in float32; a search in 8 bits uses those of the file."""
    small, plain = tmp_path / "small.safetensors", tmp_path / "plain.safetensors"
    for _ in range(2):  # it replaces what it wrote
        result = nmt("export", tiny_run, small, "--weights", "int8")
        assert (result.code, result.err) == (0, f"{small}: {tiny_run} with int8 weights\n")
    content = read_model(small)
    save_model(plain, content)
    found, expected = (nmt("translate", "dev.src", "--model", path) for path in (small, plain))
    assert (found.code, found.out) == (0, expected.out)
    assert ", 8-bit weights)" in found.err
    assert f"{small} with 8-bit weights" in nmt("inspect", small).out
    result = nmt("export", tiny_run, small)
    assert (result.code, "either --to NAME or --weights TYPE" in result.err) == (2, True)

    def refuse(matrix: Any) -> None:
        raise AssertionError("a matrix is rounded, or made float32")

    if linear.has_int8("cpu"):
        monkeypatch.setattr(linear, "INT8_ELEMENTS", 0)
        search = "translate", "dev.src", "--set", "decode.precision=int8", "--model"
        assert nmt(*search, small).out == nmt(*search, plain).out
        model = load_model(small, "cpu")  # which reads the matrix that embeds
        monkeypatch.setattr(linear, "quantise", refuse)
        monkeypatch.setattr(EightBits, "matrix", property(refuse))
        make_decoder(model.network_for("int8"), "int8")


def test_a_search_in_8_bits_reads_all_matrices_of_a_recurrent_model(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layers are not packed in 8 bits: they need their values in float32."""
    monkeypatch.setattr(linear, "INT8_ELEMENTS", 0)
    content = read_model(tiny_run)
    recipe = load_recipe("pocket_recurrent", ["model.d_model=4"])
    network = Recurrent(recipe.model, len(content.weights["embeddings.weight"]), PAD)
    path = tmp_path / "recurrent.safetensors"
    weights = to_arrays(network.state_dict())
    save_model(path, ModelFile(weights, content.tokenizer, recipe, (1,)), in_8_bits=True)
    model = load_model(path, "cpu")
    for name, array in to_arrays(model.network_for("int8").state_dict()).items():
        assert numpy.array_equal(array, model.weights[name])


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
    refuse(model, f"is {'damaged' if share else 'empty'}; copy it again")
    run = RunFolder(tmp_path)  # then it is a model of a run that can be resumed
    for path in (run.recipe, run.checkpoint(1, STATE), run.checkpoint(1, MANIFEST)):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    refuse(model.rename(model.with_name("best.safetensors")), f"`nmt train {tmp_path}` creates it")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"plain text\n" * 50, "a text file"),
        (b"PK\x03\x04" + bytes(99), "a zip archive, such as a Word or a PyTorch file"),
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
    refuse(model, "is a zip archive, such as a Word or a PyTorch file")
    assert not (tmp_path / "boom").exists()
