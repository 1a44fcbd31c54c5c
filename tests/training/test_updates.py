"""An update: the schedule, accumulation, averages, two passes, threads, the paper's rows."""

import json
import sys
from contextlib import closing, suppress
from dataclasses import astuple
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch

from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError
from nmt.kernels.loss import reference_loss
from nmt.model.transformer import Transformer
from nmt.recipe.files import load_recipe
from nmt.recipe.paper import TABLE_2, TABLE_3
from nmt.recipe.settings import with_settings
from nmt.runs.model_file import read_model
from nmt.system.threads import torch_threads
from nmt.text.batches import make_batch
from nmt.text.subwords.tokenizer import PAD
from nmt.training.muon import Muon, orthogonal
from nmt.training.parallel.workers import Workers
from nmt.training.updates import MovingAverage, Updater, cooldown, inverse_sqrt, learning_rate
from tests.conftest import Run
from tests.training.conftest import (
    TINY,
    Train,
    assert_same,
    finish,
    losses,
    open_dataset,
    plan_batches,
    read_lines,
    read_metrics,
    start_process,
    weights,
)


def test_hand_computed_rates() -> None:
    """d_model 512, warm-up 4000: first 512^-0.5 * 4000^-1.5, at most 512^-0.5 * 4000^-0.5."""
    assert inverse_sqrt(1, d_model=512, warmup=4000) == pytest.approx(1.74693e-07, rel=1e-5)
    assert inverse_sqrt(4000, d_model=512, warmup=4000) == pytest.approx(6.98771e-04, rel=1e-5)
    assert inverse_sqrt(100_000, d_model=512, warmup=4000) == pytest.approx(1.39754e-04, rel=1e-5)


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


MOVING = "train.moving_average=0.9"


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


@pytest.mark.parametrize(("decay", "factors"), [(0.999, (3 / 12, 4 / 13)), (0.1, (0.1, 0.1))])
def test_a_moving_average_by_hand(decay: float, factors: tuple[float, float]) -> None:
    """The first average is the weight; then d is 3/12 after the second update and 4/13.

    The decay is its greatest factor.
    """
    weight, average, (expected, *others) = stepped(decay, 3)
    for factor, after in zip(factors, others, strict=True):
        expected = factor * expected + (1 - factor) * after
    with average.in_use():
        assert weight.item() == pytest.approx(expected, rel=1e-6)
    assert weight.item() == pytest.approx(others[-1])


def test_without_it_weights_stay_and_an_error_restores_them() -> None:
    weight, average, after = stepped(0.0, 2)
    with average.in_use():
        assert weight.item() == pytest.approx(after[-1])
    weight, average, after = stepped(0.9, 2)
    with suppress(KeyError), average.in_use():
        assert weight.item() != pytest.approx(after[-1])
        raise KeyError
    assert weight.item() == pytest.approx(after[-1])


def test_a_run_keeps_the_moving_average(nmt: Run, train: Train, tiny_run: Path) -> None:
    """It resumes bit for bit; validations measure the average, which is the run's model."""
    assert "\nmoving average: " in train(MOVING, run="whole")
    for updates in (6, 12):
        train(MOVING, run="parts", updates=updates)
    for name in ("model.safetensors", "best.safetensors"):
        assert_same(Path("whole", name), Path("parts", name))
    model = read_model(Path("whole/model.safetensors"))
    newest = read_model(Path("whole/checkpoints/update-00000012.safetensors"))
    assert [*model.updates] == [12]
    assert any((model.weights[name] != last).any() for name, last in newest.weights.items())
    moving, plain = (
        [line["loss"] for kind in ("dev", "average") for line in read_lines(kind, run)]
        for run in (Path("whole"), tiny_run)
    )  # of updates 6 and 12, and of the average
    assert moving[1] == moving[2]
    assert plain[1] != plain[2]
    assert moving[0] != plain[0]
    own = Path("whole/model.safetensors").read_bytes()
    for more, code, fact in (
        (["--output", "mean.safetensors"], 1, "whole keeps a moving average of its weights"),
        (["--last", "2"], 2, "is the run's moving average; name another file with --output"),
        (["--output", "mean.safetensors", "--last", "2"], 0, ""),
    ):
        ended = nmt("average", "whole", *more)
        assert (ended.code, fact in ended.err) == (code, True), ended.err
    assert Path("whole/model.safetensors").read_bytes() == own


def test_a_lost_best_model_is_not_replaced_by_other_weights(train: Train) -> None:
    """The checkpoint of its update has the weights that are not averaged."""
    few = (MOVING, "train.validate_updates=2", "train.max_updates=2")
    train(*few)
    TINY.best.unlink()
    lost = "best.safetensors is missing; it is written again when a validation is"
    assert lost in train(*few)
    assert not TINY.best.exists()


def test_orthogonal_matrices_keep_directions_and_even_out_sizes() -> None:
    left, _, right = torch.linalg.svd(torch.randn(6, 9), full_matrices=False)
    matrix = left * torch.tensor([1, 0.5, 0.3, 0.1, 0.03, 0.01]) @ right
    found = left.T @ orthogonal(matrix[None])[0] @ right.T
    sizes = found.diag()
    assert bool(((sizes > 0.68) & (sizes < 1.2)).all())
    torch.testing.assert_close(found, sizes.diag(), atol=1e-4, rtol=0)


def test_muon_steps_all_directions_of_each_matrix_alike() -> None:
    """A step has 0.2 of the learning rate in its elements, whatever the gradient's size.

    Two matrices share a parameter, and the gradient of one is much smaller. A vector is Adam's,
    whose first step is the learning rate. An update that is skipped changes nothing.
    """
    pair, vector = torch.nn.Parameter(torch.zeros(8, 4)), torch.nn.Parameter(torch.zeros(3))
    optimizer = Muon([pair, vector], {pair: [4, 4]}, lr=0.5, fused=True)
    gradient = torch.cat([torch.eye(4), torch.eye(4).flip(0) * 1e-3])
    for skips, factor in ((True, 0), (False, 1)):
        pair.grad = torch.full_like(pair, torch.nan) if skips else gradient.clone()
        vector.grad = torch.ones(3)
        optimizer.found_inf = torch.tensor(float(skips))
        optimizer.step()
        assert vector.tolist() == pytest.approx([-0.5 * factor] * 3)
        size = pair.detach()[0, 0] / (-0.5 * 0.2 * 4**0.5)
        assert 0.68 * factor <= size <= 1.2 * factor
        expected = gradient.sign() * pair.detach()[0, 0]
        torch.testing.assert_close(pair.detach(), expected, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_weight_decay_shrinks_matrices_before_a_step(optimizer: str) -> None:
    """The first step is the same otherwise; an update that is skipped changes nothing."""
    torch.set_num_threads(1)
    shape = {"train.optimizer": optimizer, "model.dropout": 0.0, "train.warmup_updates": 1}
    recipe = with_settings(load_recipe("pocket"), shape)
    batch = make_batch([([9, 10, 7], [11, 12]), ([13], [14, 15, 16])])
    after = []
    for decay in (0.0, 0.5):
        torch.manual_seed(1)
        network = Transformer(recipe.model, 20, PAD)
        before = [parameter.detach().clone() for parameter in network.parameters()]
        decayed = with_settings(recipe, {"train.weight_decay": decay})
        updater = Updater(decayed, network, Workers(), torch.device("cpu"))
        updater.start([batch], 1, float("nan"), None)  # type: ignore[arg-type] # a loss of NaN
        torch.testing.assert_close([*network.parameters()], before, atol=0, rtol=0)
        rate = updater.start([batch], 1, True, None).learning_rate
        after.append([*network.parameters()])
    for start, plain, decayed_weight in zip(before, *after, strict=True):
        lost = 0.5 * rate * start if start.ndim > 1 else torch.zeros_like(start)
        torch.testing.assert_close(plain - decayed_weight, lost, atol=1e-6, rtol=1e-4)


def test_simcut_that_cuts_nothing_has_the_loss_of_one_pass(train: Train) -> None:
    """Without dropout, both passes are the same, so nothing is left to agree on."""
    found = {}
    for run, more in (
        ("once", []),
        ("twice", ["train.simcut=3", "train.simcut_cutoff=0"]),
        ("cut", ["train.simcut=3", "train.simcut_cutoff=0.5"]),
    ):
        train("model.dropout=0", "train.report_updates=1", *more, run=run, updates=4)
        found[run] = losses(Path(run))
    assert found["twice"] == pytest.approx(found["once"], rel=1e-5)
    assert found["cut"][0] > found["once"][0] * 1.001


def test_a_cut_embedding_no_longer_depends_on_its_token() -> None:
    """Two sources that differ in one token have the same logits where that token is cut."""
    torch.manual_seed(1)
    settings = ModelSettings(
        "transformer", 1, 1, d_model=8, d_ff=8, heads=2, d_k=4, d_v=4, dropout=0.0
    )
    network = Transformer(settings, 20, PAD)
    source, target = torch.tensor([[5, 6, 3], [5, 7, 3]]), torch.tensor([[2, 8], [2, 9]])
    kept_source, kept_target = torch.ones(2, 3), torch.ones(2, 2)
    kept_source[:, 1] = kept_target[:, 1] = 0
    one, other = network(source, target, kept_source, kept_target)
    torch.testing.assert_close(one, other)
    one, other = network(source, target)
    assert not torch.allclose(one, other)


def test_threads_and_micro_batches_take_the_updates_of_whole_batches(train: Train) -> None:
    """Losses and weights are equal except for rounding; the smallest micro-batch is one pair.

    The warm-up is long: a short one raises the learning rate and with it rounding errors.
    """
    still = ("model.dropout=0.0", "train.warmup_updates=400")
    train(*still, run="whole", updates=6)
    last = "checkpoints/update-00000006.safetensors"
    whole = weights(Path("whole", last))
    for threads, micro_batch in ((2, 0), (2, 30), (1, 1)):
        run = f"parts-{threads}-{micro_batch}"
        torch.set_num_threads(threads)
        train(*still, f"train.micro_batch_tokens={micro_batch}", run=run, updates=6)
        assert losses(Path(run)) == pytest.approx(losses(Path("whole")), rel=1e-5)
        parts = weights(Path(run, last))
        for name, tensor in whole.items():
            assert float((parts[name] - tensor).norm() / tensor.norm()) < 1e-4, name


def test_dropout_of_two_threads_repeats_and_resumes(train: Train) -> None:
    """Some batches have one pair, so that one thread has no work; SimCut draws what it cuts."""
    torch.set_num_threads(2)
    settings = ["model.dropout=0.3", "train.batch_target_tokens=20"]
    settings += ["train.simcut=3", "train.bpe_dropout=0.3", "train.optimizer=muon"]
    settings += ["train.weight_decay=0.5"]
    for run, updates in (("whole", 6), ("parts", 3), ("parts", 6)):
        train(*settings, run=run, updates=updates)
    last = "checkpoints/update-00000006.safetensors"
    assert_same(Path("whole", last), Path("parts", last))


NEEDS_FORKS = pytest.mark.skipif(
    sys.platform != "linux" or torch.accelerator.device_count() > 0,
    reason="trainings fork on Linux without a GPU",
)


@NEEDS_FORKS
@pytest.mark.parametrize("dropout", [0.3, 0.0])
def test_processes_take_the_updates_of_threads(dropout: float) -> None:
    """Without dropout, whose masks would differ, there is a second micro-batch, of one part.

    Each process sums its gradients of both micro-batches first, so that rounding differs.
    """
    torch.set_num_threads(2)
    settings = {"model.dropout": dropout, "train.weight_decay": 0.5}
    recipe = with_settings(load_recipe("pocket"), settings)
    share = [make_batch([([9, 10, 7], [11, 12]), ([13], [14, 15, 16])])]
    share += [] if dropout else [make_batch([([9], [8])])]
    found = []
    others = {*active_children()}  # of other tests
    for forks in (False, True):
        torch.manual_seed(1)
        network = Transformer(recipe.model, 20, PAD)
        updater = Updater(recipe, network, Workers(), torch.device("cpu"))
        assert updater.forks
        updater.forks = forks
        with closing(updater):
            results = [updater.start(share, n, True, None).result() for n in (1, 2)]
            assert len({*active_children()} - others) == 2 * forks
        assert {*active_children()} <= others
        found.append((results, [*network.parameters()]))
    (one, weights_of_one), (other, weights_of_other) = found
    for result, expected in zip(one, other, strict=True):
        assert astuple(result) == pytest.approx(astuple(expected))
    torch.testing.assert_close(weights_of_one, weights_of_other)


@NEEDS_FORKS
def test_a_killed_process_ends_the_training() -> None:
    torch.set_num_threads(2)
    recipe = load_recipe("pocket")
    network = Transformer(recipe.model, 20, PAD)
    with closing(Updater(recipe, network, Workers(), torch.device("cpu"))) as updater:
        batch = make_batch([([9, 10, 7], [11, 12]), ([13], [14, 15, 16])])
        others = {*active_children()}
        updater.backward([batch])
        ({*active_children()} - others).pop().kill()
        with pytest.raises(NmtError, match="a training process was killed, perhaps because memory"):
            updater.backward([batch] * 1000)  # the other process may do the work of the first ones


def test_a_pool_keeps_the_order_and_passes_errors_on() -> None:
    torch.set_num_threads(2)
    threads = torch_threads()
    assert threads.count == 2
    assert list(threads.map(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(threads.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        list(threads.map(lambda n: 1 / n, [1, 0]))
    assert torch_threads(1).count == 1
    assert list(torch_threads(1).map(str, [1, 2])) == ["1", "2"]


@pytest.mark.parametrize(
    ("cores", "count"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 3), (7, 3), (8, 4)]
)
def test_few_cores_stay_idle(cores: int, count: int) -> None:
    torch.set_num_threads(cores)
    assert torch_threads().count == count


QUICK = {"paper/c-d256", "paper/e-learned"}  # a second or two each
ROWS = [
    pytest.param(row.recipe, marks=[] if row.recipe in QUICK else pytest.mark.slow)
    for row in (*TABLE_3, *TABLE_2)
]


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_of_the_paper_takes_an_update(name: str) -> None:
    """The vocabulary has its full size; Adam first moves each weight by the learning rate."""
    recipe = load_recipe(name)
    V = recipe.tokenizer.vocab_size
    torch.manual_seed(1)
    network = Transformer(recipe.model, V, PAD)
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
    arguments = ["--curves", "curves.json", "--updates", 10, "--batch-tokens", 100, "--threads", 1]
    code, errors = finish(start_process("-c", program, "runs/tiny", *arguments))
    assert code == 0, errors
    curves = json.loads(Path("curves.json").read_text())
    gaps = {
        precision: max(map(abs, map(float.__sub__, curve["ours"], curve["pytorch"])))
        for precision, curve in curves.items()
    }
    assert all(len(curve["ours"]) == len(curve["pytorch"]) == 10 for curve in curves.values())
    assert gaps["float64"] < 1e-12 < gaps["float32"] < 1e-4
    assert 1e-6 < gaps["bf16"] < 0.05
    assert curves["float64"]["ours"][-1] < curves["float64"]["ours"][0] - 0.2


def test_the_gradient_norm_is_that_of_the_mean_loss_per_token(train: Train) -> None:
    """The first update's norm equals that of the reference loss's gradient by autograd."""
    train("model.dropout=0.0", "train.report_updates=1", updates=1)
    written = read_metrics(TINY.path)[0]
    dataset = open_dataset(TINY)
    batch = dataset.batch(plan_batches(dataset)[0], 0)
    torch.manual_seed(1)
    network = Transformer(TINY.load_recipe().model, 40, PAD)
    logits = network(batch.source, batch.target_input).flatten(0, 1)
    loss = reference_loss(logits, batch.labels.flatten(), 0.1, PAD).smoothed / batch.target_tokens
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert written["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert written["loss"] == pytest.approx(loss.item(), rel=1e-5)
