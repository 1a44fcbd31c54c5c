"""`nmt translate --alignments`, with raw attention and with a head that was trained to align."""

import shutil
from pathlib import Path

import numpy
import pytest
import torch

from nmt.commands import main
from nmt.decoding.models.alignment import aligning_attention, attention_to_source
from nmt.decoding.models.pytorch import IncrementalDecoder
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.runs.model_file import AligningAttention
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import load_model
from nmt.text.batches import PairDataset
from nmt.text.prepare import open_prepared
from tests.commands.conftest import translate
from tests.conftest import WORDS, Run

Links = list[list[tuple[int, int]]]


@pytest.fixture(scope="module")
def guided_run(skilled_run: Path) -> Path:
    """Return a run as skilled, whose training also guided the alignment."""
    run = skilled_run.parent / "guided"
    more = ["--set", "train.guided_alignment=1", "--data-dir", str(skilled_run.parents[1])]
    with pytest.raises(SystemExit) as end:
        main(["train", str(skilled_run / "recipe.toml"), "--run", str(run), *more])
    assert not end.value.code
    return run


def read_links(path: Path) -> Links:
    """Return the links of each line."""
    return [
        [tuple(map(int, link.split("-"))) for link in line.split(" ") if link]  # type: ignore[misc] # two numbers
        for line in path.read_text().split("\n")[:-1]
    ]


def test_guided_alignment_trains_one_head(guided_run: Path) -> None:
    """It looks at the aligned tokens of the training text; the other head does not."""
    run = RunFolder(guided_run)
    prepared = open_prepared(run.load_recipe(), run.prepared_folder())
    dataset = PairDataset(prepared.shards, prepared.names, alignments=prepared.alignments)
    batch = dataset.batch(numpy.arange(len(dataset)), 0)
    decoder = IncrementalDecoder(load_model(run.model, "cpu").network)
    with torch.inference_mode():
        weights = attention_to_source(decoder, batch.source, batch.labels, [0])[0]
    assert batch.aligned is not None
    is_aligned = batch.aligned > 0
    right = [
        (weights[:, head].argmax(-1) + 1 == batch.aligned)[is_aligned].float().mean()
        for head in (0, 1)
    ]
    assert right[0] > 0.9
    assert right[1] < 0.5


def test_a_guided_model_aligns_with_that_head(
    nmt: Run, guided_run: Path, source: Path, tmp_path: Path
) -> None:
    aligned = tmp_path / "out.align"
    out = translate(nmt, guided_run, source, "--alignments", aligned).out.split("\n")
    model = load_model(RunFolder(guided_run).model, "cpu")
    attention = aligning_attention(model)
    assert model.alignment == attention == AligningAttention(0, 0)
    lines = source.read_text().split("\n")
    asked = OutputOptions(alignments=True)
    translator = Translator(model, model.recipe.decode, lambda text: None, asked)
    found = [*translator.translate(lines[:-1])]
    assert [each.text for each in found] == out[:-1]
    assert [[*each.links] for each in found] == read_links(aligned)


def test_the_choice_of_a_training_is_in_both_models_and_in_a_new_average(
    nmt: Run, guided_run: Path, tmp_path: Path
) -> None:
    average = tmp_path / "again.safetensors"
    assert nmt("average", guided_run, "--output", average, "--last", 1).code == 0
    for path in (guided_run / "model.safetensors", guided_run / "best.safetensors", average):
        assert load_model(path, "cpu").alignment == AligningAttention(0, 0)


def test_the_output_is_the_same_as_without(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path
) -> None:
    """Blank lines have blank alignments; the best of an n-best list is aligned."""
    aligned, more = tmp_path / "out.align", tmp_path / "more.align"
    found = translate(nmt, skilled_run, source, "--alignments", aligned)
    assert found.out == translate(nmt, skilled_run, source).out
    first, blank, last = read_links(aligned)
    assert not blank
    assert {link[0] for link in first} <= {0, 1}
    assert {link[1] for link in last} == {*range(len(found.out.split("\n")[2].split()))}
    listed = translate(nmt, skilled_run, source, "--alignments", more, "--n-best", 3)
    assert listed.out == translate(nmt, skilled_run, source, "--n-best", 3).out
    assert more.read_text() == aligned.read_text()


def test_an_ensemble_of_equal_models_aligns_as_one(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path
) -> None:
    one, two, copy = tmp_path / "one", tmp_path / "two", tmp_path / "copy.safetensors"
    shutil.copy(skilled_run / "model.safetensors", copy)
    translate(nmt, skilled_run, source, "--alignments", one)
    translate(nmt, skilled_run, source, "--model", copy, "--alignments", two)
    assert one.read_text() == two.read_text()


def test_processes_and_batches_change_nothing(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.src"
    source.write_text("".join(f"{one} {other}\n" for one in WORDS for other in WORDS))
    paths = [tmp_path / name for name in ("one", "many", "batches")]
    translate(nmt, skilled_run, source, "--alignments", paths[0])
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    translate(nmt, skilled_run, source, "--alignments", paths[1])
    translate(nmt, skilled_run, source, "--alignments", paths[2], "--batch-tokens", 30)
    assert paths[0].read_text() == paths[1].read_text() == paths[2].read_text()
    assert paths[0].read_text().count("\n") == len(WORDS) ** 2


def test_split_lines_and_carriage_returns_count_words_through(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    source, aligned = tmp_path / "in.src", tmp_path / "out.align"
    source.write_bytes(f"sun\rmoon\n{' '.join(WORDS)}\n".encode())
    limit = ["--set", "decode.max_segment_tokens=8"]
    out = translate(nmt, skilled_run, source, "--alignments", aligned, *limit).out
    for line, words, own in zip(out.split("\n"), (2, 10), read_links(aligned), strict=False):
        assert {output for _, output in own} == {*range(len(line.split()))}
        assert max(word for word, _ in own) >= words // 2


def test_skipped_lines_have_no_alignment(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source, aligned = tmp_path / "in.src", tmp_path / "out.align"
    source.write_bytes(b"sun\n\xff\nmoon\n")
    out = translate(nmt, skilled_run, source, "--alignments", aligned, "--on-bad-line", "skip").out
    assert len(read_links(aligned)) == out.count("\n") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alignments", "in.src"], "is an input of this command"),
        (["--alignments", "old.safetensors"], "is a model; name another file, or move it away"),
        (
            ["--output", "out", "--alignments", "out"],
            "--output and --alignments are the same file, out; name two",
        ),
        (["--output", "out", "--alignments", "a", "--resume"], "--resume keeps unfinished"),
        (["--output", "out", "--alignments", "a", "--keep-partial"], "--keep-partial keeps"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    nmt: Run,
    skilled_run: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(source.parent)
    Path("old.safetensors").write_text("weights of the user")
    refused = nmt("translate", "in.src", "--model", skilled_run, *options)
    assert refused.code == 2
    assert message in refused.err
    assert len(refused.err.strip().split("\n")) <= 3
