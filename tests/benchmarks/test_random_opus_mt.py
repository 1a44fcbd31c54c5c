"""A small OPUS-MT model with random weights can be imported and is drawn by its seed."""

import os
import subprocess
import sys
from pathlib import Path

from nmt.runs.model_file import read_model_file
from tests.conftest import Run, write_tiny_corpus

ROOT = Path(__file__).resolve().parents[2]
SIZES = ["--d-model", "8", "--heads", "2", "--layers", "1", "--vocab-size", "40"]


def write(folder: Path, corpus: Path, *options: str) -> str:
    """Write a model; return what the script prints."""
    texts = ["--source", str(corpus / "train.src"), "--target", str(corpus / "train.tgt")]
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "random_opus_mt.py",
            folder,
            *texts,
            *SIZES,
            *options,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_the_model_is_imported_and_translates(nmt: Run, tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path)
    said = write(tmp_path / "first", tmp_path)
    assert said.startswith(f"{tmp_path / 'first'}: ")
    weights = {}
    for name, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        if name != "first":
            write(tmp_path / name, tmp_path, "--seed", seed)
        path = tmp_path / f"{name}.safetensors"
        assert nmt("import", tmp_path / name, "-o", path).code == 0
        weights[name] = read_model_file(path).weights["embeddings.weight"].tobytes()
    assert weights["first"] == weights["again"] != weights["other"]
    result = nmt("translate", tmp_path / "dev.src", "--model", tmp_path / "first.safetensors")
    assert result.code == 0, result.err
    assert result.out.count("\n") == len((tmp_path / "dev.src").read_text().splitlines())
