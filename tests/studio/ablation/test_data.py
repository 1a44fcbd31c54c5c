"""The formats of ablation.json and of the Markdown tables."""

import json

import pytest

from nmt import __version__
from nmt.studio.ablation.data import ablation_data
from nmt.studio.ablation.results import (
    AblationResult,
    RunResult,
    VariantResult,
    difference,
    summarise,
)
from nmt.studio.ablation.table import render_markdown
from nmt.studio.ablation.variants import Change
from tests.studio.ablation.conftest import finished_run, stopped_run


def variant(
    name: str, runs: list[RunResult], base: list[RunResult], *changes: Change
) -> VariantResult:
    """Return a variant's results."""
    finished = [each for each in runs if each.state == "finished"]
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
def result() -> AblationResult:
    """Return a base with two finished runs and a variant with a finished and a stopped one."""
    base = [finished_run(1, 2.0), finished_run(2, 4.0)]
    other = [finished_run(1, 5.0, "model.d_ff=64"), stopped_run(2, "model.d_ff=64")]
    change = Change("model.d_ff", "64", "32")
    return AblationResult(
        command=("nmt", "ablate", "my recipe"),
        recipe="tiny",
        measure="BLEU",
        lower_is_better=False,
        axes=("model.d_ff=64",),
        seeds=(1, 2),
        warnings=("a warning",),
        variants=(variant("base", base, base), variant("model.d_ff=64", other, base, change)),
    )


def test_ablation_json_has_the_documented_form(result: AblationResult) -> None:
    """Programs read this file, so that names and types must stay."""
    data = json.loads(json.dumps(ablation_data(result)))
    variants = data.pop("variants")
    assert data == {
        "ablation": 1,
        "nmt": __version__,
        "command": "nmt ablate 'my recipe'",
        "recipe": "tiny",
        "measure": {"name": "BLEU", "lower_is_better": False},
        "axes": ["model.d_ff=64"],
        "seeds": [1, 2],
        "cautions": ["a warning"],
    }
    base, other = variants
    assert (base["changes"], base["axis"], base["difference"]) == ([], None, None)
    assert base["summary"]["loss"] == {"mean": 3.0, "lowest": 2.0, "highest": 4.0}
    figures = {"update": 12, "loss": 5.0, "perplexity": 50.0, "score": 25.0}
    only = {"mean": 5.0, "lowest": 5.0, "highest": 5.0}
    assert other == {
        "name": "model.d_ff=64",
        "folder": "model.d_ff=64",
        "axis": 0,
        "changes": [{"setting": "model.d_ff", "value": "64", "base": "32"}],
        "parameters": 6016,
        "finished": 1,
        "summary": {
            "loss": only,
            "perplexity": {"mean": 50.0, "lowest": 50.0, "highest": 50.0},
            "score": {"mean": 25.0, "lowest": 25.0, "highest": 25.0},
            "updates": {"mean": 12.0, "lowest": 12, "highest": 12},
            "minutes": {"mean": 0.5, "lowest": 0.5, "highest": 0.5},
        },
        "runs": [
            {
                "seed": 1,
                "folder": "model.d_ff=64/seed-1",
                "state": "finished",
                "updates": 12,
                "minutes": 0.5,
                "average": figures,
                "best": figures,
                "curves": {"loss": {"updates": [6, 12], "values": [None, 5.0]}},
            },
            {
                "seed": 2,
                "folder": "model.d_ff=64/seed-2",
                "state": "stopped",
                "updates": 3,
                "minutes": 0.1,
                "average": None,
                "best": None,
                "curves": {},
            },
        ],
        "difference": {
            "seeds": [1],
            "loss": {"mean": 3.0, "overlaps": None},
            "perplexity": {"mean": 30.0, "overlaps": None},
            "score": {"mean": -3.0, "overlaps": None},
        },
    }


def rows(markdown: str, first_cell: str) -> list[list[str]]:
    """Return the cells of all table rows that begin with a cell."""
    lines = [line for line in markdown.splitlines() if line.startswith(f"| {first_cell} |")]
    return [line.strip("| ").split(" | ") for line in lines]


def test_the_tables_have_the_figures_and_their_ranges(result: AblationResult) -> None:
    markdown = render_markdown(result)
    base, *runs = rows(markdown, "base")
    assert base[:6] == [
        *("base", "6,016", "12", "3.000 (2.000 to 4.000)", "30.00 (20.00 to 40.00)"),
        "27.00 (26.00 to 28.00)",
    ]
    assert [run[1:4] for run in runs] == [["1", "finished", "12"], ["2", "finished", "12"]]
    (other,) = rows(markdown, "`model.d_ff=64` (base `32`) (1 of 2 runs)")
    assert other == [
        *("`model.d_ff=64` (base `32`) (1 of 2 runs)", "6,016", "12"),
        *("5.000", "50.00", "25.00", "-3.00", "+30.00", "0.5"),
    ]
    _, stopped = rows(markdown, "`model.d_ff=64`")
    assert stopped[1:7] == ["2", "stopped", "3", "–", "–", "–"]
    assert "a warning" in markdown
    assert "`nmt ablate 'my recipe'`" in markdown
