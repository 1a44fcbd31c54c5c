"""Shipped files are found in a checkout and in a wheel; other programs' files are recognised."""

import gzip
import io
import lzma
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nmt.recipe.files import DEFAULT_RECIPE, shipped_recipes
from nmt.system import files
from nmt.system.files import START_BYTES, detect_kind
from tests.conftest import SMALLEST

ROOT = Path(__file__).resolve().parents[2]


def run(arguments: Sequence[object], folder: Path, **environment: str) -> str:
    """Run a process and return its stdout and stderr; fail unless it exits with 0."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    environment.pop("NMT_DATA_DIR", None)
    result = subprocess.run(
        [str(value) for value in arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_package_data_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.shipped("data/sample.en") == ROOT / "data/sample.en"
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "nmt")
    (tmp_path / "recipes").mkdir()
    assert files.shipped("recipes") == tmp_path / "recipes"
    (tmp_path / "nmt/shipped/recipes").mkdir(parents=True)
    assert files.shipped("recipes") == tmp_path / "nmt/shipped/recipes"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--quiet", "-w", folder]
    run(command, folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """Unpack the wheel into a folder to import it from."""
    folder = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_contains_only_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nmt"}
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
    shipped = {name for name in names if name.startswith("nmt/shipped/")}
    assert "nmt/shipped/data/sample.en" in shipped
    recipes = {f"nmt/shipped/recipes/{name}.toml" for name in shipped_recipes()}
    assert recipes <= shipped
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert "nmt = nmt.commands:main" in archive.read(entry_points).decode()


def test_the_wheel_works_without_a_checkout(unpacked: Path, tmp_path: Path) -> None:
    """Without a checkout and a data folder, from the default recipe to the report."""
    path = {"PYTHONPATH": str(unpacked)}
    code = "import nmt; nmt.read_recipe('multi30k_en_de'); print(nmt.__file__)"
    output = run([sys.executable, "-c", code], tmp_path, **path)
    assert output.splitlines() == [str(unpacked / "nmt" / "__init__.py")]
    nmt = [sys.executable, "-m", "nmt"]
    settings = SMALLEST | {"train.max_updates": 1}
    options = [f"--set={name}={value}" for name, value in settings.items()]
    output = run([*nmt, "train", *options], tmp_path, **path)
    assert f"model: runs/{DEFAULT_RECIPE}/model.safetensors" in output
    assert "exact match by phenomenon" in run([*nmt, "evaluate"], tmp_path, **path)
    for command, name in (
        (["explain", "A dog runs."], "explain.html"),
        (["report", "--output", "report.html"], "report.html"),
    ):
        assert name in run([*nmt, *command], tmp_path, **path)
        page = tmp_path / name
        assert "Content-Security-Policy" in page.read_text(encoding="utf-8")
        page.unlink()
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


def saved(new: bool) -> bytes:
    """Return what `torch.save` writes, now or years ago."""
    stream = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (saved(True), "a zip archive, such as a Word or a PyTorch file"),
        (saved(False), "a Python pickle, such as an old PyTorch file"),
        *((pickle.dumps([1], version), "a Python pickle") for version in range(2, 6)),
        (gzip.compress(b"a"), "a gzip file"),
        (lzma.compress(b"a"), "an xz file"),
        (b"\n <!doctype HTML>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"one two\n\tthree\r\n", "a text file"),
        (b'{"a": 1}', "a text file"),
        (b"x" + "\u00e9".encode() * START_BYTES, "a text file"),  # the last character is cut
    ],
)
def test_known_files(content: bytes, kind: str) -> None:
    assert detect_kind(content).startswith(kind)
    assert detect_kind(content[: max(START_BYTES, 1)]).startswith(kind)


@pytest.mark.parametrize(
    "content", [bytes(9), b"\xff" * 9, b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"a\x00b" * 9]
)
def test_others_are_unknown(content: bytes) -> None:
    assert detect_kind(content) == ""
