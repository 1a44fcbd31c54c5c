"""What a run tells of itself: metrics, samples, settings, corpus, cards."""

import json
import os
import shutil
from pathlib import Path

import pytest

from nmt.artifacts.run_folder import RunFolder, newest_run
from nmt.errors import NmtError
from nmt.recipe import load_recipe
from nmt.studio.report.corpus import LONGEST, corpus_statistics
from nmt.studio.report.history import read_history
from nmt.studio.report.page import names_of, page_of, paper_data
from nmt.text.tokenizer import load_tokenizer
from nmt.training.validation import SAMPLES


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> RunFolder:
    """A copy of the tiny run, to be written into."""
    shutil.copytree(tiny_run, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints"))
    return RunFolder(tmp_path / "copy")


def test_curves_are_the_lines_of_metrics(run: RunFolder) -> None:
    history = read_history(run)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    curve = history.curve("train", "loss")
    assert curve["updates"] == [2, 4, 6, 8, 10, 12]
    assert curve["values"] == pytest.approx([line["loss"] for line in train], rel=1e-5)
    assert history.best
    assert history.best["score"] == max(line["bleu"] for line in lines if line["kind"] == "dev")
    assert history.average == {**lines[-1], "score": lines[-1]["bleu"]}


def test_samples_are_the_same_segments_at_every_validation(run: RunFolder) -> None:
    samples = read_history(run).samples()
    assert [(each["update"], each["kind"]) for each in samples] == [
        (6, "dev"),
        (12, "dev"),
        (12, "average"),
    ]
    first, *others = [[(x["source"], x["references"]) for x in each["samples"]] for each in samples]
    assert len(first) == SAMPLES
    assert all(other == first for other in others)
    for source, references in first:
        assert references == [" ".join(reversed(source.upper().split()))]


def test_a_loss_that_is_not_a_number_is_a_gap(run: RunFolder) -> None:
    line = {"kind": "dev", "update": 99, "loss": None, "perplexity": None, "bleu": None}
    with run.metrics.open("a") as stream:
        stream.write(json.dumps(line) + "\n" + '{"kind": "dev", "upd')
    history = read_history(run)
    assert history.curve("dev", "score")["values"][-1] is None
    assert history.best
    assert history.best["update"] != 99
    page_of([run])


def test_damage_is_told_and_left_out(run: RunFolder) -> None:
    """A line cut short, one of another shape, figures and samples that are none."""
    whole = len(run.read_metrics())
    damaged = ['{"kind": "dev", "upd', "[1, 2]", '{"kind": "dev", "update": Infinity}', "", "\x00"]
    strange = [
        {"kind": "train", "update": 1, "loss": "low", "epoch": float("nan")},
        {"kind": "dev", "update": 99, "loss": float("inf"), "bleu": "high", "samples": [1]},
        {"kind": "dev", "update": 99, "samples": [{"source": "a", "translation": None}]},
    ]
    with run.metrics.open("a") as stream:
        stream.writelines(line + "\n" for line in [*damaged, *map(json.dumps, strange)])
    (run.path / "broken.json").write_text("{")
    said: list[str] = []
    history = read_history(run, said.append)
    assert said == [
        f"{run.metrics}: damaged lines left out: 4",
        f"{run.path / 'broken.json'}: left out, as it is no JSON that can be read",
    ]
    assert len(history.lines) == whole + len(strange)
    assert history.curve("train", "loss")["updates"][:2] == [1, 2]  # in order, however written
    assert history.curve("train", "loss")["values"][0] is None
    assert history.best
    assert history.best["update"] != 99
    assert len(history.samples()) == 3
    page_of([run])


def test_a_task_of_errors_has_its_best_where_they_are_fewest(run: RunFolder) -> None:
    text = run.recipe.read_text().replace('metric = "bleu"', 'metric = "error_rate"')
    run.recipe.write_text(text)
    key = read_history(run).measure.key
    metrics = run.metrics.read_text().replace('"bleu"', f'"{key}"')
    first = {"kind": "dev", "update": 6, "loss": 1.0, "perplexity": 1.0, key: 0.5}
    run.metrics.write_text(json.dumps(first) + "\n" + metrics)
    history = read_history(run)
    assert history.measure.lower_is_better
    assert history.best
    assert history.best["score"] == min(line["score"] for line in history.of("dev"))
    page_of([run])


def test_parameters_are_those_of_the_model(run: RunFolder) -> None:
    attention, feed_forward, norm = 4 * 16 * 16, 2 * 16 * 32 + 32 + 16, 2 * 16
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    assert read_history(run).parameters == 40 * 16 + encoder + decoder
    for name in ("model", "best"):
        (run.path / f"{name}.safetensors").unlink()
    assert read_history(run).parameters is None


def test_the_corpus_is_counted(run: RunFolder, tiny_run: Path) -> None:
    (corpus,) = corpus_statistics(run.load_recipe(), run)
    tokenizer = load_tokenizer(run.tokenizer)
    folder = tiny_run.parents[1]
    for side, tokens, lengths in (
        ("src", corpus.source_tokens, corpus.source_lengths),
        ("tgt", corpus.target_tokens, corpus.target_lengths),
    ):
        encoded = tokenizer.source.encode((folder / f"train.{side}").read_text().splitlines())
        assert tokens == sum(map(len, encoded))
        assert len(lengths) == LONGEST + 1
        assert lengths[5] == sum(len(ids) == 5 for ids in encoded)
    assert (corpus.files, corpus.kept) == ("train.src + train.tgt", 120)
    assert corpus.dropped == {"empty": 0, "too_long": 0, "ratio": 0}
    shutil.rmtree(run.prepared)
    assert corpus_statistics(run.load_recipe(), run) == []
    page_of([run])


def test_the_recipe_stands_beside_the_papers_row() -> None:
    assert paper_data(load_recipe("wmt14_en_de_base"))["deviations"] == []
    found = paper_data(load_recipe("wmt14_en_de_base", ["model.heads=4", "train.r_drop=5"]))
    assert [(each["setting"], each["value"], each["source"]) for each in found["deviations"]] == [
        ("model.heads", "4", "section 3.2.2"),
        ("train.r_drop", "5.0", None),
    ]
    assert found["deviations"][0]["meaning"] == "attention heads h (section 3.2.2)"


def test_cards_in_the_folder_are_taken_up(run: RunFolder) -> None:
    card = {"evaluation_card": 1, "date": "2026-11-25", "results": [{"test_set": "</script>"}]}
    (run.path / "card.json").write_text(json.dumps(card))
    (run.path / "other.json").write_text('{"a": 1}')
    assert read_history(run).cards == [{"file": "card.json", **card}]
    page = page_of([run])
    assert page.count("</script>") == 3
    (run.path / "card.json").write_text('{"evaluation_card": NaN}')
    assert read_history(run).cards == [{"file": "card.json", "evaluation_card": None}]
    page_of([run])


def test_a_page_of_two_runs_holds_both(run: RunFolder, tiny_run: Path) -> None:
    page = page_of([run, RunFolder(tiny_run)])
    assert "<title>Report of copy and tiny</title>" in page
    assert "Report of 2 runs" in page


def test_runs_of_one_name_are_told_apart_by_their_folders() -> None:
    assert names_of([Path("a/run")]) == ["run"]
    assert names_of([Path("a/run"), Path("b/run"), Path("b/other")]) == [
        "a/run",
        "b/run",
        "b/other",
    ]
    assert names_of([Path("a/run"), Path("a/b/../run")]) == ["run", "run"]


def test_the_library_comes_with_its_licence(run: RunFolder) -> None:
    assert "Permission is hereby granted, free of charge" in page_of([run])


def test_what_is_no_run(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="is not a run folder: it has no recipe"):
        read_history(RunFolder(tmp_path))
    run.metrics.write_text("")
    with pytest.raises(NmtError, match="tells of no update yet"):
        read_history(run)


def test_the_newest_run_is_the_last_to_report(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no run under"):
        newest_run(tmp_path)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(name)
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "second" / "metrics.jsonl", (1, 1))
    assert newest_run(tmp_path).path.name == "first"
    (tmp_path / "paper" / "base").mkdir(parents=True)  # as of a recipe whose name holds a folder
    (tmp_path / "paper" / "base" / "metrics.jsonl").write_text("base")
    os.utime(tmp_path / "first" / "metrics.jsonl", (2, 2))
    assert newest_run(tmp_path).path == tmp_path / "paper" / "base"
