"""The variants of an ablation, and its results against hand-worked numbers."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from nmt import __version__
from nmt.config import ModelSettings, Recipe
from nmt.errors import UsageError
from nmt.runs.history import ValidationMetrics
from nmt.studio.experiments.ablation import Ablation
from nmt.studio.experiments.results import (
    MetricDifference,
    RunResult,
    Spread,
    VariantResult,
    comparison_warnings,
    difference,
    spread,
    summarise,
)
from nmt.studio.experiments.variants import (
    Change,
    Variant,
    parse_axis,
    parse_numbers,
    plan_variants,
    split,
    with_seed,
)

BASE = Recipe("small", model=ModelSettings(heads=4, d_ff=256, dropout=0.1))


def plan(*texts: str, grid: bool = False) -> list[Variant]:
    return plan_variants(BASE, [parse_axis(text) for text in texts], grid=grid)


def names(*texts: str, grid: bool = False) -> list[str]:
    return [variant.name for variant in plan(*texts, grid=grid)]


def test_settings_that_change_together_take_their_values_in_order() -> None:
    """The example is row A of the paper's table 3; a single value holds for all steps."""
    axis = parse_axis("model.heads=1,4 model.d_k=512,128  model.d_v=512,128 model.d_ff=9")
    assert axis.settings == ("model.heads", "model.d_k", "model.d_v", "model.d_ff")
    assert axis.steps == (
        ("model.heads=1", "model.d_k=512", "model.d_v=512", "model.d_ff=9"),
        ("model.heads=4", "model.d_k=128", "model.d_v=128", "model.d_ff=9"),
    )


def test_tables_lists_and_quoted_texts_are_single_values() -> None:
    one, two = '[{ source = "a, b", target = "c" }]', "[{tsv='d=e'}, {tsv='f'}]"
    assert parse_axis(f"data.train={one},{two}").steps == (
        (f"data.train={one}",),
        (f"data.train={two}",),
    )
    assert split("a 'b c' [d e]", " ") == ["a", "'b c'", "[d e]"]


def test_without_a_grid_each_step_is_a_variant() -> None:
    """A step that equals the base is left out."""
    variants = plan("model.d_ff=256,512", "model.heads=2,4,8")
    assert [(variant.name, variant.axis) for variant in variants] == [
        ("base", None),
        ("model.d_ff=512", 0),
        ("model.heads=2", 1),
        ("model.heads=8", 1),
    ]
    assert variants[0].recipe == BASE
    assert variants[2].recipe == replace(BASE, model=replace(BASE.model, heads=2))
    assert variants[2].changes == (Change("model.heads", "2", "4"),)


def test_a_grid_has_the_base_and_every_combination() -> None:
    assert names("model.d_ff=512,1024", "model.heads=2", grid=True) == [
        "base",
        "model.d_ff=512 model.heads=2",
        "model.d_ff=1024 model.heads=2",
    ]
    with pytest.raises(UsageError, match=r"model\.heads"):
        plan("model.heads=1,2", "model.heads=8 model.d_k=8", grid=True)


def test_equal_variants_are_one_variant() -> None:
    """The order of settings and the notation of values make no difference."""
    texts = ("model.heads=8 model.d_ff=512", "model.d_ff=512 model.heads=8", "model.dropout=0.10")
    assert names(*texts) == ["base", "model.d_ff=512 model.heads=8"]


def test_each_variant_has_a_folder_of_its_own() -> None:
    """Values may be long, and may contain characters that folders should not have."""
    paths = ("a/b", "a b", "a|b", "c" * 200, "d" * 200)
    variants = plan(*(f"data.train=[{{tsv='{path}'}}]" for path in paths), "train.init_from=../up")
    folders = [variant.folder for variant in variants]
    assert len({*folders}) == len(folders) == 7
    assert folders[0] == "base"
    assert all("/" not in folder and not folder.startswith(".") for folder in folders)
    assert max(map(len, folders)) < 140
    assert plan("model.norm=pre")[1].folder == "model.norm=pre"


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "--vary is empty"),
        ("model.heads", "--vary takes section.key=value,value..., not 'model.heads'"),
        ("=2,4", "not '=2,4'"),
        ("model.heads=2 model.heads=4", "names model.heads twice"),
        ("model.heads=1,2,4 model.d_k=8,4", "model.heads has 3, model.d_k has 2"),
        ("model.hedas=2", "unknown setting 'model.hedas'; did you mean 'model.heads'?"),
        ("model.heads=4", "nothing varies"),
        ("train.seed=1,2", "--seeds"),
        ("data.metric=error_rate", "one measure"),
        ("tokenizer.kind=char train.bpe_dropout=0.1", "variant tokenizer.kind=char train.bpe"),
    ],
)
def test_what_cannot_vary_is_refused(text: str, fact: str) -> None:
    with pytest.raises(UsageError, match=re.escape(fact)):
        plan(text)


def test_seeds_are_whole_numbers_each_once() -> None:
    assert parse_numbers("3, 1", "--seeds", int) == [3, 1]
    assert with_seed(BASE, 7).train.seed == 7
    for wrong in ("", "1,", "1,1", "1.5"):
        with pytest.raises(UsageError, match="--seeds"):
            parse_numbers(wrong, "--seeds", int)
    with pytest.raises(UsageError, match="at least 0"):
        with_seed(BASE, -1)


def finished_run(seed: int, loss: float | None, folder: str = "base") -> RunResult:
    """Return a finished run whose perplexity and score follow from its loss."""
    figures = ValidationMetrics(12, loss, loss and 10 * loss, loss and 30 - loss)
    curves = {"loss": {"updates": [6, 12], "values": [None, loss]}}
    return RunResult(seed, f"{folder}/seed-{seed}", "finished", 12, 0.5, figures, figures, curves)


def stopped_run(seed: int, folder: str = "base") -> RunResult:
    return RunResult(seed, f"{folder}/seed-{seed}", "stopped", 3, 0.1, None, None, {})


def test_a_spread_is_mean_lowest_and_highest_of_known_values() -> None:
    assert spread([2.0, 4.0, 9.0]) == Spread(mean=5.0, lowest=2.0, highest=9.0)
    assert spread([]) is spread([1.0, None]) is None


def test_a_difference_is_over_the_seeds_that_both_have_finished() -> None:
    variant = [finished_run(1, 2.0), finished_run(2, 3.0), finished_run(3, 100.0)]
    base = [finished_run(1, 4.0), finished_run(2, 6.0), stopped_run(3)]
    found = difference(variant, base)
    assert found
    assert found.seeds == (1, 2)
    assert found.loss == MetricDifference(mean=-2.5, overlaps=False)
    assert found.perplexity == MetricDifference(mean=-25.0, overlaps=False)
    assert found.score == MetricDifference(mean=2.5, overlaps=False)
    assert difference([finished_run(1, 2.0)], [finished_run(2, 2.0)]) is None
    assert difference([stopped_run(1)], [finished_run(1, 2.0)]) is None
    assert difference([finished_run(1, None)], [finished_run(1, 2.0)]) is None


@pytest.mark.parametrize(
    ("variant", "base", "overlaps"),
    [
        ([1.0, 3.0], [3.0, 5.0], True),  # they share an end
        ([3.0, 5.0], [1.0, 3.0], True),
        ([1.0, 9.0], [3.0, 5.0], True),  # one is inside the other
        ([1.0, 2.0], [3.0, 5.0], False),
        ([6.0, 7.0], [3.0, 5.0], False),
        ([4.0], [4.0], None),  # one seed has no range
    ],
)
def test_overlap_is_that_of_the_ranges_over_seeds(
    variant: list[float], base: list[float], overlaps: bool | None
) -> None:
    own, others = (
        [finished_run(seed, loss) for seed, loss in enumerate(losses)] for losses in (variant, base)
    )
    found = difference(own, others)
    assert found
    assert found.loss.overlaps is overlaps


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("model.heads", None),
        ("train.label_smoothing", "compare perplexity"),
        ("tokenizer.kind", "compare the score"),
        ("data.train", "compare the score"),
        ("data.dev", "cannot be compared"),
    ],
)
def test_warnings_say_what_can_be_compared(setting: str, advice: str | None) -> None:
    variants = [Variant(BASE), Variant(BASE, (Change(setting, "1", "2"),), 0)]
    found = comparison_warnings(variants, seeds=2)
    assert len(found) == (advice is not None)
    assert advice is None or advice in found[0]
    assert "--seeds" in comparison_warnings(variants, seeds=1)[-1]


def variant_of_runs(
    name: str, runs: list[RunResult], base: list[RunResult], *changes: Change
) -> VariantResult:
    finished = [run for run in runs if run.state == "finished"]
    return VariantResult(
        name=name,
        folder=name,
        axis=0 if changes else None,
        changes=changes,
        parameters=6016,
        finished=len(finished),
        summary=summarise(finished),
        runs=tuple(runs),
        difference=difference(runs, base) if changes else None,
    )


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the results of a base with two finished runs, and a variant with one of two."""
    base = [finished_run(1, 2.0), finished_run(2, 4.0)]
    other = [finished_run(1, 5.0, "model.d_ff=64"), stopped_run(2, "model.d_ff=64")]
    change, smoothed = Change("model.d_ff", "64", "32"), Change("train.label_smoothing", "0", "0.1")
    variants = [Variant(BASE), Variant(BASE, (change, smoothed), 0)]
    results = [
        variant_of_runs("base", base, base),
        variant_of_runs("model.d_ff=64", other, base, change),
    ]
    command = ("nmt", "ablate", "my recipe")
    axes = [parse_axis("model.d_ff=64")]
    monkeypatch.setattr("nmt.studio.experiments.ablation.collect", lambda *_: results)
    Ablation(tmp_path, command, variants, axes, (1, 2)).write({})
    return tmp_path


def test_ablation_json_has_the_documented_form(output: Path) -> None:
    """Programs read this file, so that names and types must stay."""
    data = json.loads((output / "ablation.json").read_text(encoding="utf-8"))
    base, other = data.pop("variants")
    assert "compare perplexity" in data.pop("cautions")[0]
    assert data == {
        "ablation": 1,
        "nmt": __version__,
        "command": "nmt ablate 'my recipe'",
        "recipe": "small",
        "measure": {"name": "BLEU", "lower_is_better": False},
        "axes": ["model.d_ff=64"],
        "seeds": [1, 2],
    }
    assert (base["changes"], base["axis"], base["difference"]) == ([], None, None)
    assert base["summary"]["loss"] == {"mean": 3.0, "lowest": 2.0, "highest": 4.0}
    finished, stopped = other.pop("runs")
    figures = {"update": 12, "loss": 5.0, "perplexity": 50.0, "score": 25.0}
    assert finished == {
        **{"seed": 1, "folder": "model.d_ff=64/seed-1", "state": "finished", "updates": 12},
        **{"minutes": 0.5, "average": figures, "best": figures},
        "curves": {"loss": {"updates": [6, 12], "values": [None, 5.0]}},
    }
    assert (stopped["state"], stopped["average"], stopped["curves"]) == ("stopped", None, {})
    only = {"loss": 5.0, "perplexity": 50.0, "score": 25.0, "updates": 12, "minutes": 0.5}
    spreads = {name: dict.fromkeys(("mean", "lowest", "highest"), x) for name, x in only.items()}
    assert other.pop("summary") == spreads
    assert other.pop("difference") == {
        "seeds": [1],
        "loss": {"mean": 3.0, "overlaps": None},
        "perplexity": {"mean": 30.0, "overlaps": None},
        "score": {"mean": -3.0, "overlaps": None},
    }
    assert other == {
        **{"name": "model.d_ff=64", "folder": "model.d_ff=64", "axis": 0, "finished": 1},
        "changes": [{"setting": "model.d_ff", "value": "64", "base": "32"}],
        "parameters": 6016,
    }


def rows(markdown: str, first_cell: str) -> list[list[str]]:
    """Return the cells of all table rows that begin with a cell."""
    lines = [line for line in markdown.splitlines() if line.startswith(f"| {first_cell} |")]
    return [line.strip("| ").split(" | ") for line in lines]


def test_the_tables_have_the_figures_and_their_ranges(output: Path) -> None:
    markdown = (output / "ablation.md").read_text(encoding="utf-8")
    base, *runs = rows(markdown, "base")
    assert base[:6] == [
        *("base", "6,016", "12", "3.000 (2.000 to 4.000)", "30.00 (20.00 to 40.00)"),
        "27.00 (26.00 to 28.00)",
    ]
    assert [run[1:4] for run in runs] == [["1", "finished", "12"], ["2", "finished", "12"]]
    (other,) = rows(markdown, "`model.d_ff=64` (base `32`) (1 of 2 runs)")
    assert other[1:] == ["6,016", "12", "5.000", "50.00", "25.00", "-3.00", "+30.00", "0.5"]
    finished, stopped = rows(markdown, "`model.d_ff=64`")
    assert finished[4:9] == ["5.000", "50.00", "25.00", "25.00 (12)", "0.5"]
    assert stopped[1:8] == ["2", "stopped", "3", "–", "–", "–", "–"]
    assert "compare perplexity" in markdown
    assert "`nmt ablate 'my recipe'`" in markdown
