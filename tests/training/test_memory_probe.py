"""The memory check: which batches it runs, and its error when memory does not suffice."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.config import ModelSettings
from nmt.decoding.translator.translator import translate_texts
from nmt.errors import NmtError
from nmt.text.batches import Batch, PairDataset
from nmt.text.shards import Shard
from nmt.training import memory_probe as probe
from nmt.training.updates import Updater
from tests.training.conftest import TINY, Train, assert_same, options, plan_batches

NARROW = ModelSettings(d_model=8, d_ff=8, heads=8)


def dataset(lengths: list[tuple[int, int]]) -> PairDataset:
    offsets = numpy.cumsum([0, *(length for pair in lengths for length in pair)])
    lines = numpy.arange(1, len(lengths) + 1, dtype=numpy.uint32)
    return PairDataset([Shard(numpy.full(offsets[-1], 9, numpy.uint16), offsets, lines)], ["text"])


@pytest.mark.parametrize(
    ("lengths", "source_tokens", "target_tokens"),
    [
        # All batches have as many tokens; attention makes that of the longest pair cost most.
        *(
            ([(10, 10)] * 200 + [longest] + [(12, 11)] * 200, 200, 200)
            for longest in ((90, 20), (20, 90), (90, 90))
        ),
        # The targets have one token each, but a source of 50 pads those of 2 in its batch.
        ([(2, 1)] * 30 + [(50, 1)] + [(5, 5)] * 30, 1000, 70),
    ],
)
def test_the_costliest_batch_contains_the_longest_pair(
    lengths: list[tuple[int, int]], source_tokens: int, target_tokens: int
) -> None:
    pairs = dataset(lengths)
    plan = plan_batches(pairs, source_tokens, target_tokens)
    found = plan[probe.costliest_batch(plan, pairs, NARROW, vocab_size=40)]
    assert lengths.index(max(lengths, key=sum)) in found


def test_the_costliest_batch_counts_what_a_multiple_pads() -> None:
    """With their ends 16 x 31 tokens are more than 29 x 17, but 29 x 32 are more than 16 x 32."""
    pairs = dataset([(16, 16)] * 29 + [(30, 30)] * 16)
    plan = plan_batches(pairs, 510, 510)
    for multiple, longest in ((1, 31), (32, 17)):
        costliest = plan[probe.costliest_batch(plan, pairs, NARROW, 4000, multiple)]
        assert pairs.source_lengths[costliest].max() == longest


def test_micro_batches_are_chosen_where_whole_batches_do_not_fit(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds 60 tokens a side gets the same training as train.micro_batch_tokens."""
    tried: list[int] = []
    try_batch = Updater.try_batch

    def limited(self: Updater, batch: Batch) -> None:
        tried.append(max(batch.source.numel(), batch.labels.numel()))
        if tried[-1] > 60:
            raise MemoryError
        try_batch(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "try_batch", limited)
        errors = train(updates=6)
        assert len(tried) > 1
        assert tried == sorted(tried, reverse=True)
        chosen = f"train.micro_batch_tokens={TINY.load_recipe().train.micro_batch_tokens}"
        assert f"{chosen} is chosen" in errors
        tried.clear()
        train()  # with the same micro-batches
        assert len(tried) == 1
    train(chosen, run="set")
    assert_same(TINY.model, Path("set/model.safetensors"))


def test_too_little_memory_for_one_pair_is_an_error(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where micro-batches have a given size, they are to be smaller."""

    def refused(self: Updater, batch: Batch) -> None:
        raise MemoryError

    monkeypatch.setattr(Updater, "try_batch", refused)
    errors = train(code=1)
    assert "too little memory for the largest batch, 1 pairs" in errors
    assert "lower data.max_length" in errors
    given = train("train.micro_batch_tokens=90", run="given", code=1)
    assert "lower train.micro_batch_tokens" in given
    assert not Path("given/metrics.jsonl").read_text()


def test_the_longest_dev_segment_is_translated_at_the_start(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[str]] = []

    def translate(network: Any, tokenizer: Any, settings: Any, sources: Any, *more: Any) -> Any:
        tried.append(list(sources))
        return translate_texts(network, tokenizer, settings, sources, *more)

    monkeypatch.setattr("nmt.training.validation.translate_texts", translate)
    with Path("dev.src").open("a") as dev, Path("dev.tgt").open("a") as references:
        dev.write("sun " * 40 + "\n")
        references.write("SUN\n")
    train("decode.batch_tokens=100", "data.max_length=999", updates=1)
    assert tried[0] == ["sun " * 40]


def test_no_memory_left_is_an_error_with_threads_too(tiny: Path) -> None:
    """Starting threads must not fail first; a process of its own, in case it hangs."""
    program = (
        "from nmt.training import memory_probe as probe; from nmt.commands import main;"
        "probe.available_bytes = lambda: 0; probe.check_model_fits = lambda recipe: None;"
        "import sys; main(sys.argv[1:])"
    )
    wide = options("model.d_model=128", "train.batch_source_tokens=2000")
    command = [sys.executable, "-c", program, "train", str(tiny), *wide]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    # Without any memory, PyTorch's own threads may abort when the process ends, after the message.
    assert ended.returncode in (1, -signal.SIGABRT), ended.stderr
    # The allocator may have kept enough memory for the training batch: then the dev batch fails.
    message = r"^nmt: too little memory for the (largest batch|longest dev)"
    assert re.search(message, ended.stderr, re.MULTILINE), ended.stderr


def test_a_model_larger_than_the_memory_is_refused_before_any_work(train: Train) -> None:
    """2 x 1,000 layers of 2,048 inner units: a third of 10^11 parameters, of 16 bytes each."""
    layers = ("model.encoder_layers=1000", "model.decoder_layers=1000")
    error = train(*layers, "model.d_model=2048", "model.d_ff=4096", code=1)
    assert re.fullmatch(
        r"nmt: recipe tiny: the model has 3\d,\d{3},\d{3},\d{3} parameters, whose weights,"
        r" gradients and averages need [56]\d\d\.\d GB of memory, but [\d.,]+ GB are available;"
        r".*\n",
        error,
    )
    assert not TINY.path.joinpath("tokenizer.model").exists()


@pytest.mark.parametrize("folder", [".", "a/b", "memory", "memory/a/b"])
def test_a_control_group_may_have_less_memory_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A group of the process, or one above it; of version 2 or 1."""
    most, used, unlimited, stat = "memory.max", "memory.current", "max", ""
    if folder.startswith("memory"):
        most, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        unlimited, stat = f"{2**63 - 4096}", "total_"
    group = tmp_path / folder
    own_groups = tmp_path / "cgroup"
    own_groups.write_text("9:cpu,cpuacct:/a\n4:memory:/a/b\n0::/a/b\n")
    monkeypatch.setattr(probe, "CGROUPS", tmp_path)
    monkeypatch.setattr(probe, "OWN_GROUPS", own_groups)
    whole = probe.available_bytes()
    assert whole
    group.mkdir(parents=True, exist_ok=True)
    (group / most).write_text(unlimited)
    (group / used).write_text("1000000\n")
    assert probe.available_bytes() == pytest.approx(whole, rel=0.1)
    (group / most).write_text("5000000\n")
    assert probe.available_bytes() == 4_000_000
    (group / "memory.stat").write_text(f"anon 1\n{stat}active_file 300\n{stat}inactive_file 40\n")
    assert probe.available_bytes() == 4_000_340


def test_only_work_on_the_cpu_is_limited() -> None:
    """The driver of a GPU reserves addresses that the limit would count as memory.

    The limit ends with the work, also by an error, of which only one becomes a message.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with probe.memory_limit("a batch", torch.device("cuda")):
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
    with probe.memory_limit("a batch"):
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
    with pytest.raises(RuntimeError, match="shape"), probe.memory_limit("a batch"):
        raise RuntimeError("shape mismatch")
    with pytest.raises(NmtError, match="too little memory for a b"), probe.memory_limit("a b"):
        raise MemoryError
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
