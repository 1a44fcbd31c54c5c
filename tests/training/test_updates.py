"""An update: the schedule, accumulation, averages, two passes, threads, the paper's rows."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config import ModelSettings, Recipe
from nmt.kernels.loss import reference_loss
from nmt.model.transformer import Transformer
from nmt.recipe.files import load_recipe
from nmt.recipe.paper import TABLE_2, TABLE_3
from nmt.recipe.settings import with_settings
from nmt.recipe.size import count_parameters
from nmt.runs.model_file import read_model
from nmt.system.threads import torch_threads
from nmt.text.batches import make_batch
from nmt.text.tokenizer import PAD
from nmt.training.updates import MovingAverage, Updater, cooldown, inverse_sqrt, learning_rate
from nmt.training.workers import Workers
from tests.conftest import Run
from tests.training.conftest import (
    TINY,
    assert_same,
    finish,
    losses,
    open_dataset,
    plan_batches,
    read_metrics,
    start_process,
    weights,
)


def test_hand_computed_rates() -> None:
    """d_model 512, warm-up 4000: first 512^-0.5 * 4000^-1.5, at most 512^-0.5 * 4000^-0.5."""
    assert inverse_sqrt(1, d_model=512, warmup=4000) == pytest.approx(1.74693e-07, rel=1e-5)
    assert inverse_sqrt(4000, d_model=512, warmup=4000) == pytest.approx(6.98771e-04, rel=1e-5)
    assert inverse_sqrt(100_000, d_model=512, warmup=4000) == pytest.approx(1.39754e-04, rel=1e-5)


def test_rises_linearly_then_falls_with_the_square_root() -> None:
    rates = {u: inverse_sqrt(u, d_model=64, warmup=100) for u in (1, 50, 100, 400)}
    assert rates[50] == pytest.approx(50 * rates[1])
    assert max(rates.values()) == rates[100]
    assert rates[400] == pytest.approx(rates[100] / 2)


def test_a_cooldown_falls_in_equal_steps_to_zero() -> None:
    """The last 3 of 10 updates have three quarters, a half and a quarter of the rate."""
    factors = [cooldown(update, last=10, length=3) for update in range(6, 12)]
    assert factors == pytest.approx([1, 1, 0.75, 0.5, 0.25, 0])
    assert cooldown(10, last=10, length=0) == 1


def test_a_recipe_multiplies_scale_and_cooldown() -> None:
    settings = {"train.max_updates": 8000, "train.learning_rate_scale": 2.0}
    recipe = with_settings(Recipe("cooled"), settings | {"train.cooldown_updates": 4000})
    assert learning_rate(recipe, 4000) == pytest.approx(2 * 6.98771e-04, rel=1e-5)
    half = 2000.5 / 4001  # about half of the cooldown is over
    assert learning_rate(recipe, 6000) == pytest.approx(2 * 512**-0.5 * 6000**-0.5 * half, rel=1e-3)


def test_a_cooldown_begins_after_the_warm_up() -> None:
    """A warm-up of 400 leaves 100 of 500 updates, so that the peak is reached."""
    settings = {"train.max_updates": 500, "train.warmup_updates": 400}
    plain, long, fitting = (
        with_settings(Recipe("cooled"), settings | {"train.cooldown_updates": length})
        for length in (0, 5000, 100)
    )
    assert learning_rate(long, 400) == learning_rate(plain, 400)
    assert learning_rate(long, 450) == learning_rate(fitting, 450) < learning_rate(plain, 450)
    short = with_settings(long, {"train.max_updates": 4})
    assert learning_rate(short, 4) == learning_rate(plain, 4)


MOVING = ("--set", "train.moving_average=0.9")


def stepped(decay: float, updates: int) -> tuple[torch.nn.Parameter, MovingAverage, list[float]]:
    """Return a weight after Adam's steps, its average, and the weight after each step."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    average = MovingAverage([weight], optimizer, decay)
    after = []
    for update in range(1, updates + 1):
        weight.grad = torch.ones(1)
        optimizer.step()
        average.add(update)
        after.append(weight.item())
    return weight, average, after


def test_a_moving_average_by_hand() -> None:
    """The first average is the weight; then d is 3/12 after the second update and 4/13."""
    weight, average, (first, second, third) = stepped(0.999, 3)
    expected = 3 / 12 * first + 9 / 12 * second
    expected = 4 / 13 * expected + 9 / 13 * third
    with average.in_use():
        assert weight.item() == pytest.approx(expected, rel=1e-6)
    assert weight.item() == pytest.approx(third)


def test_the_decay_of_a_moving_average_is_its_greatest_factor() -> None:
    weight, average, (first, second, third) = stepped(0.1, 3)
    expected = 0.1 * (0.1 * first + 0.9 * second) + 0.9 * third
    with average.in_use():
        assert weight.item() == pytest.approx(expected, rel=1e-6)


def test_without_it_weights_stay_and_an_error_restores_them() -> None:
    weight, average, after = stepped(0.0, 2)
    with average.in_use():
        assert weight.item() == pytest.approx(after[-1])
    weight, average, after = stepped(0.9, 2)
    with suppress(KeyError), average.in_use():
        assert weight.item() != pytest.approx(after[-1])
        raise KeyError
    assert weight.item() == pytest.approx(after[-1])


def test_a_run_keeps_the_moving_average(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    """It resumes bit for bit; validations measure the average, which is the run's model."""
    ended = nmt("train", tiny, "--run", "whole", *MOVING)
    assert ended.code == 0
    assert "\nmoving average: " in ended.err
    assert nmt("train", tiny, "--run", "parts", *MOVING, "--max-updates", 6).code == 0
    assert nmt("train", tiny, "--run", "parts", *MOVING).code == 0
    for name in ("model.safetensors", "best.safetensors"):
        assert_same(Path("whole", name), Path("parts", name))
    model = read_model(Path("whole/model.safetensors"))
    newest = read_model(Path("whole/checkpoints/update-00000012.safetensors"))
    assert [*model.updates] == [12]
    assert any((model.weights[name] != each).any() for name, each in newest.weights.items())
    moving, plain = (
        {
            (line["kind"], line["update"]): line["loss"]
            for line in read_metrics(run)
            if line["kind"] in ("dev", "average")
        }
        for run in (Path("whole"), tiny_run)
    )
    assert moving["dev", 12] == moving["average", 12]
    assert plain["dev", 12] != plain["average", 12]
    assert moving["dev", 6] != plain["dev", 6]
    ended = nmt("average", "whole", "--output", "mean.safetensors")
    assert ended.code == 1
    assert "whole keeps a moving average of its weights" in ended.err
    own = Path("whole/model.safetensors").read_bytes()
    ended = nmt("average", "whole", "--last", "2")
    assert ended.code == 2
    assert "is the run's moving average; name another file with --output" in ended.err
    assert nmt("average", "whole", "--output", "mean.safetensors", "--last", "2").code == 0
    assert Path("whole/model.safetensors").read_bytes() == own


def test_a_lost_best_model_is_not_replaced_by_other_weights(nmt: Run, tiny: Path) -> None:
    """The checkpoint of its update has the weights that are not averaged."""
    few = ("--set", "train.validate_updates=2", "--max-updates", 2)
    assert nmt("train", tiny, "--run", "run", *MOVING, *few).code == 0
    Path("run/best.safetensors").unlink()
    ended = nmt("train", tiny, "--run", "run", *MOVING, *few)
    assert "best.safetensors is missing; it is written again when a validation is" in ended.err
    assert not Path("run/best.safetensors").exists()


FOUR_STILL = ("--set", "model.dropout=0", "--set", "train.report_updates=1", "--max-updates", 4)


def test_simcut_that_cuts_nothing_has_the_loss_of_one_pass(nmt: Run, tiny: Path) -> None:
    """Without dropout, both passes are the same, so nothing is left to agree on."""
    nmt("train", tiny, "--run", "once", *FOUR_STILL)
    simcut = ("--set", "train.simcut=3", "--set")
    nmt("train", tiny, "--run", "twice", *FOUR_STILL, *simcut, "train.simcut_cutoff=0")
    nmt("train", tiny, "--run", "cut", *FOUR_STILL, *simcut, "train.simcut_cutoff=0.5")
    assert losses(Path("twice")) == pytest.approx(losses(Path("once")), rel=1e-5)
    assert losses(Path("cut"))[0] > losses(Path("once"))[0] * 1.001


def test_a_cut_embedding_no_longer_depends_on_its_token() -> None:
    """Two sources that differ in one token have the same logits where that token is cut."""
    torch.manual_seed(1)
    settings = ModelSettings(1, 1, d_model=8, d_ff=8, heads=2, d_k=4, d_v=4, dropout=0.0)
    network = Transformer(settings, 20, PAD)
    source, target = torch.tensor([[5, 6, 3], [5, 7, 3]]), torch.tensor([[2, 8], [2, 9]])
    kept_source, kept_target = torch.ones(2, 3), torch.ones(2, 2)
    kept_source[:, 1] = kept_target[:, 1] = 0
    one, other = network(source, target, kept_source, kept_target)
    torch.testing.assert_close(one, other)
    one, other = network(source, target)
    assert not torch.allclose(one, other)


def test_both_at_once_are_refused(nmt: Run, tiny: Path) -> None:
    ended = nmt("train", tiny, "--set", "train.r_drop=5", "--set", "train.simcut=3")
    assert ended.code == 1
    assert "train.r_drop and train.simcut are two ways to make two passes agree" in ended.err
    assert "set one of them to 0" in ended.err


@pytest.mark.parametrize("settings", [[], ["--set", "train.micro_batch_tokens=30"]])
def test_two_threads_take_the_updates_of_one(nmt: Run, tiny: Path, settings: list[str]) -> None:
    """The warm-up is long: a short one raises the learning rate and with it rounding errors."""
    options = ["--set", "model.dropout=0.0", "--set", "train.warmup_updates=400", *settings]
    options += ["--max-updates", "6"]
    assert nmt("train", tiny, "--run", "one", *options).code == 0
    torch.set_num_threads(2)
    assert nmt("train", tiny, "--run", "two", *options).code == 0
    assert losses(Path("two")) == pytest.approx(losses(Path("one")), rel=1e-5)
    one, two = (
        weights(Path(run, "checkpoints/update-00000006.safetensors")) for run in ("one", "two")
    )
    for name, tensor in one.items():
        assert float((two[name] - tensor).norm() / tensor.norm()) < 1e-4, name


def test_dropout_of_two_threads_repeats_and_resumes(nmt: Run, tiny: Path) -> None:
    """Some batches have one pair, so that one thread has no work; SimCut draws what it cuts."""
    torch.set_num_threads(2)
    options = ["--set", "model.dropout=0.3", "--set", "train.batch_target_tokens=20"]
    options += ["--set", "train.simcut=3", "--set", "train.bpe_dropout=0.3"]
    assert nmt("train", tiny, "--run", "whole", *options, "--max-updates", 6).code == 0
    nmt("train", tiny, "--run", "parts", *options, "--max-updates", 3)
    assert nmt("train", tiny, "--run", "parts", *options, "--max-updates", 6).code == 0
    last = "checkpoints/update-00000006.safetensors"
    assert_same(Path("whole", last), Path("parts", last))


def test_a_pool_keeps_the_order_and_passes_errors_on() -> None:
    torch.set_num_threads(2)
    threads = torch_threads()
    assert threads.count == 2
    assert list(threads.map(lambda each: each * each, range(20))) == [n * n for n in range(20)]
    assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        list(threads.map(lambda each: 1 / each, [1, 0]))
    assert torch_threads(1).count == 1
    assert list(torch_threads(1).map(str, [1, 2])) == ["1", "2"]


@pytest.mark.parametrize(
    ("cores", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (7, 3), (8, 4)]
)
def test_few_cores_stay_idle(cores: int, count: int) -> None:
    torch.set_num_threads(cores)
    assert torch_threads().count == count


QUICK = {"c-d256", "e-learned"}  # a second or two each


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


BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_training_equals_that_of_a_transformer_of_pytorchs_own_layers(nmt: Run, tiny: Path) -> None:
    """`benchmarks/independent_model.py` is that model, which uses no code of `nmt`.

    Losses of ten updates in float64 differ in the last digits only; in float32 and bf16 by their
    rounding. The model learns, so the curves are not equal merely because they are constant.
    """
    assert nmt("prepare", tiny).code == 0
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(BENCHMARKS)!r});"
        f" runpy.run_path({str(BENCHMARKS / 'equal_behaviour.py')!r}, run_name='__main__')"
    )
    options = ["--curves", "curves.json", "--updates", 10, "--batch-tokens", 100, "--threads", 1]
    code, errors = finish(start_process("-c", program, "runs/tiny", *options))
    assert code == 0, errors
    curves = json.loads(Path("curves.json").read_text())
    gaps = {
        precision: max(map(abs, map(float.__sub__, each["ours"], each["pytorch"])))
        for precision, each in curves.items()
    }
    assert all(len(each["ours"]) == len(each["pytorch"]) == 10 for each in curves.values())
    assert gaps["float64"] < 1e-12 < gaps["float32"] < 1e-4
    assert 1e-6 < gaps["bf16"] < 0.05
    assert curves["float64"]["ours"][-1] < curves["float64"]["ours"][0] - 0.2


def test_updates_with_micro_batches_equal_whole_ones(nmt: Run, tiny: Path) -> None:
    """Losses and weights after 12 updates are equal except for rounding; a part has one pair."""
    options = ["--set", "model.dropout=0.0"]
    nmt("train", tiny, "--run", "whole", *options)
    nmt("train", tiny, "--run", "parts", *options, "--set", "train.micro_batch_tokens=1")
    assert losses(Path("whole")) == pytest.approx(losses(Path("parts")), rel=1e-5)
    whole, parts = (weights(Path(f"{run}/model.safetensors")) for run in ("whole", "parts"))
    for name, tensor in whole.items():
        assert float((tensor - parts[name]).norm() / tensor.norm()) < 1e-3, name


def test_the_gradient_norm_is_that_of_the_mean_loss_per_token(nmt: Run, tiny: Path) -> None:
    """The first update's norm equals that of the reference loss's gradient by autograd."""
    still = ["--set", "model.dropout=0.0", "--set", "train.report_updates=1"]
    nmt("train", tiny, "--max-updates", 1, *still)
    written = read_metrics(TINY.path)[0]
    dataset = open_dataset(TINY)
    batch = dataset.batch(plan_batches(dataset)[0], 0)
    torch.manual_seed(1)
    network = Transformer(TINY.load_recipe().model, 40, PAD)
    logits = network(batch.source, batch.target_input).flatten(0, 1)
    loss = reference_loss(logits, batch.labels.flatten(), 0.1, PAD).smoothed / batch.target_tokens
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    norm = torch.cat([each.flatten() for each in gradients]).norm()
    assert written["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert written["loss"] == pytest.approx(loss.item(), rel=1e-5)
