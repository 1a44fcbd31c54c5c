"""Models that all tests of imports and exports share, made once."""

import random
import shutil
from pathlib import Path

import pytest

from nmt.interop.export import export_model
from nmt.interop.import_model import import_model
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.subwords.tokenizer import Tokenizer
from tests.conftest import WORDS
from tests.interop.marian_models import Shape, write_folder


@pytest.fixture(scope="session")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small OPUS-MT model; do not change it."""
    return write_folder(tmp_path_factory.mktemp("opus") / "opus-mt-en-de")


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small model with language tokens; do not change it."""
    folder = tmp_path_factory.mktemp("opus") / "opus-mt-en-mul"
    return write_folder(folder, Shape(languages=(">>deu<<", ">>nld<<")))


@pytest.fixture
def copied(opus: Path, tmp_path: Path) -> Path:
    """Return a copy of the small model's folder, to change; its parent is the current folder."""
    return Path(shutil.copytree(opus, tmp_path / opus.name)).relative_to(tmp_path)


def imported(folder: Path, languages: str = "en-de") -> TrainedModel:
    path = folder.with_suffix(".safetensors")
    import_model(folder, path, languages)
    return load_model(path, "cpu")


@pytest.fixture(scope="session")
def opus_model(opus: Path) -> TrainedModel:
    return imported(opus)


@pytest.fixture(scope="session")
def tokenizer(tiny_run: Path) -> Tokenizer:
    """Return the tokenizer of the tiny model, one for both languages."""
    return load_model(tiny_run, "cpu").tokenizer


ODD = ["", "   ", "12 34", "SUN MOON", "sun \u2603 moon", "sun www.example.org moon", "rain\rsnow"]


@pytest.fixture(scope="session")
def ct2_folder(skilled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported folder of the model that translates words."""
    path = tmp_path_factory.mktemp("exported") / "ct2"
    export_model(skilled_run, path, "ctranslate2")
    return path


@pytest.fixture
def mixed_lines(tmp_path: Path) -> Path:
    draw = random.Random(5)
    lines = [" ".join(draw.choices(WORDS, k=draw.randint(1, 8))) for _ in range(30)]
    lines += [*ODD, " ".join(draw.choices(WORDS, k=60))]
    path = tmp_path / "in"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return path
