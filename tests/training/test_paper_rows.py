"""Every recipe of the paper takes an update with its real shapes and a tiny text."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.model.transformer import Transformer
from nmt.recipe.files import load_recipe
from nmt.recipe.paper import TABLE_2, TABLE_3
from nmt.recipe.size import count_parameters
from nmt.text.batches import make_batch
from nmt.text.tokenizer import PAD
from nmt.training.updates import Updater
from nmt.training.workers import Workers
from tests.conftest import Run

QUICK = {"base", "a-h1", "b-dk16", "c-n2", "c-d256", "e-learned"}  # a second or two each
ROWS = [
    pytest.param(name, marks=[] if name.removeprefix("paper/") in QUICK else pytest.mark.slow)
    for name in (row.recipe for row in (*TABLE_3, *TABLE_2))
]


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_of_the_paper_takes_an_update(name: str) -> None:
    """The vocabulary has its full size; Adam first moves each weight by the learning rate."""
    recipe = load_recipe(name)
    V = recipe.tokenizer.vocab_size
    torch.manual_seed(1)
    network = Transformer(recipe.model, V, PAD)
    assert sum(each.numel() for each in network.parameters()) == count_parameters(recipe.model, V)
    before = network.embeddings.weight[:100].detach().clone()
    torch.set_float32_matmul_precision("high")  # as a training before in tf32
    updater = Updater(recipe, network, Workers(), torch.device("cpu"))
    updater.set_up()
    assert torch.get_float32_matmul_precision() == "highest"
    batch = make_batch([([9, 10, V - 1], [11, 12]), ([13], [14, 15, 16])])
    sums = updater.start([batch], 1, counts=True, stop=None).result()
    assert sums.is_finite
    assert (sums.source_tokens, sums.target_tokens) == (6, 7)
    assert sums.learning_rate == pytest.approx(recipe.model.d_model**-0.5 * 4000**-1.5)
    moved = (network.embeddings.weight[:100].detach() - before).abs().max()
    assert float(moved) == pytest.approx(sums.learning_rate, rel=0.05)


def test_a_recipe_in_a_folder_trains_into_one_and_is_found(nmt: Run, tiny: Path) -> None:
    """`paper/c-n2`, made narrow and with little text, trains in runs/paper/c-n2."""
    changes: dict[str, Any] = {
        "data.train": '[{ source = "train.src", target = "train.tgt" }]',
        "data.dev": '[{ source = "dev.src", target = "dev.tgt" }]',
        "data.test": '{ tiny = { source = "dev.src", target = "dev.tgt" } }',
        "tokenizer.vocab_size": 40,
        "model.d_model": 16,
        "model.d_ff": 16,
        "train.max_updates": 1,
        "decode.max_extra_tokens": 1,
    }
    options = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    trained = nmt("train", "paper/c-n2", *options)
    assert trained.code == 0, trained.err
    run = Path("runs/paper/c-n2")
    assert f"model: {run}/model.safetensors" in trained.err
    assert "is done at update 1" in nmt("train", "paper/c-n2", *options).err
    written = load_recipe(str(run / "recipe.toml"))
    assert (written.name, written.model.encoder_layers) == ("paper/c-n2", 2)
    translated = nmt("translate", "dev.src")
    assert f"model: {run}/model.safetensors (paper/c-n2)" in translated.err
    assert translated.out.count("\n") == 10
    assert nmt("evaluate").code == 0
