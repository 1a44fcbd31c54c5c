"""When `nmt train` prints a finding: once, also over several starts."""

import json
from pathlib import Path

from nmt.artifacts.run_folder import RunFolder
from nmt.studio.report.page import render_report
from tests.conftest import Run
from tests.diagnosis.trainings import arguments, drawn, write_text

HEADING = "warning: the learning rate is too high"
SETTINGS: dict[str, object] = {"train.learning_rate_scale": 200, "train.max_updates": 40}


def test_a_resumed_training_does_not_repeat_what_it_printed(nmt: Run, tmp_path: Path) -> None:
    recipe = write_text(tmp_path, drawn(300, 1), drawn(6, 2))
    line = arguments(recipe, tmp_path / "run", SETTINGS)
    first = nmt(*line)
    assert first.err.count(HEADING) == 1
    assert "diagnosis: the learning rate is too high, since update 15\n" in first.err
    more = nmt("train", tmp_path / "run", "--max-updates", 60)
    assert more.code == 0, more.err
    assert HEADING not in more.err
    assert "diagnosis: the learning rate is too high, since update 15\n" in more.err


def test_what_is_known_before_is_not_repeated_either(nmt: Run, tmp_path: Path) -> None:
    recipe = write_text(tmp_path, drawn(300, 1), drawn(6, 2))
    settings: dict[str, object] = {"train.warmup_updates": 50, "train.max_updates": 6}
    heading = "warning: the warm-up is longer than the training\n"
    first = nmt(*arguments(recipe, tmp_path / "run", settings))
    assert first.err.index(heading) < first.err.index("update 1 of 6")
    assert heading not in nmt("train", tmp_path / "run", "--max-updates", 8).err
    longer = nmt("train", tmp_path / "run", "--max-updates", 51).err
    assert "diagnosis: nothing stands out\n" in longer


def test_the_report_escapes_what_a_finding_quotes(run: RunFolder) -> None:
    markup = "</script><script>alert(1)</script>"
    lines = run.read_metrics()
    for line in lines:
        for sample in line.get("samples", []):
            sample["source"], sample["references"] = markup, ["other"]
            sample["translation"] = markup
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = render_report([run])
    assert "translations copy their sources" in page
    assert markup not in page
