"""Measure when Eole, a peer, first reaches given dev scores on a recipe's corpus.

    nmt prepare multi30k_en_de
    python benchmarks/eole_time_to_quality.py runs/multi30k_en_de work --python ENV/bin/python

ENV is an environment with Eole. The versions that Eole 0.6.4 pins do not fit torch 2.13: install
torch and what Eole imports by name, then Eole with --no-deps.

Eole gets the run's subwords, shape, dropout, batch size and learning rates. It uses its own layers
(norms before the sub-layers, sinusoids, ReLU), Adam, loader and length penalty, and pairs of any
length. Its loader counts padding into a batch, so that its updates have fewer pairs than nmt's.
Its training is one process that writes checkpoints; the minutes are those from the start of its
training loop to each checkpoint, by its log. Afterwards it translates the run's dev set with each
checkpoint in turn, with the run's beam, until all given scores are reached.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from nmt.config import ModelSettings, Recipe, TrainSettings
from nmt.errors import NmtError
from nmt.evaluation.metrics import translation_metrics
from nmt.evaluation.scores import main_score
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import write_text
from nmt.text.reading.corpus import DataFolder
from nmt.text.subwords.tokenizer import EOS, SubwordModel, load_tokenizer

STAMP = re.compile(r"\[(\d+-\d+-\d+ [\d:,]+) INFO\]")
STEP = re.compile(r"Step\s+(\d+)/\s*\d+")
Pairs = list[tuple[str, str]]


def write_subwords(path: Path, subwords: SubwordModel, segments: Iterable[str]) -> None:
    """Write segments as subwords separated by spaces, one segment a line."""
    lines = [" ".join(map(subwords.piece, ids)) for ids in subwords.encode(list(segments))]
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_corpus(
    recipe: Recipe, run: RunFolder, data: DataFolder, work: Path
) -> tuple[Pairs, dict[str, Any]]:
    """Write the files that Eole reads; return the dev set and Eole's settings of the files."""
    subwords = load_tokenizer(run.tokenizer).sides[0]  # joint: those of both sides
    train, dev = (
        [pair[:2] for files in corpora for pair in data.text(files, recipe).pairs()]
        for corpora in (recipe.data.train, recipe.data.dev)
    )
    for side, name in enumerate(("source", "target")):
        write_subwords(work / f"train.{name}", subwords, (pair[side] for pair in train))
        write_subwords(work / f"dev.{name}", subwords, (pair[side] for pair in dev))
    known = [subwords.piece(number) for number in range(EOS + 1, len(subwords))]
    write_text(work / "vocabulary", "".join(f"{subword}\t10\n" for subword in known))
    corpus = {"path_src": f"{work}/train.source", "path_tgt": f"{work}/train.target"}
    return dev, {
        "data": {"corpus": corpus},
        "src_vocab": f"{work}/vocabulary",
        "tgt_vocab": f"{work}/vocabulary",
        "src_vocab_size": len(subwords),
        "tgt_vocab_size": len(subwords),
        "share_vocab": True,
        "vocab_size_multiple": 1,
    }


def check(recipe: Recipe) -> None:
    """Raise UsageError if Eole lacks a setting of the recipe and would silently ignore it."""
    model, train = recipe.model, recipe.train
    fits = {
        "model.encoder_layers = model.decoder_layers": model.encoder_layers == model.decoder_layers,
        "model.heads * model.d_k = model.d_model": model.heads * model.d_k == model.d_model,
        "model.d_v = model.d_k": model.d_v == model.d_k,
        "tokenizer.joint = true": recipe.tokenizer.joint,
        'model.tied = "all"': model.tied == "all",
        "train.batch_source_tokens = train.batch_target_tokens": (
            train.batch_source_tokens == train.batch_target_tokens
        ),
        "train.bpe_dropout = 0": train.bpe_dropout == 0,
        "train.r_drop = 0": train.r_drop == 0,
        'train.init_from = ""': not train.init_from,
        'data.metric = "bleu"': recipe.data.metric == "bleu",
    }
    if missing := [each for each, holds in fits.items() if not holds]:
        raise click.UsageError(f"Eole cannot train the run's recipe: it needs {missing[0]}")


def training_settings(train: TrainSettings, model: ModelSettings) -> dict[str, Any]:
    """Return the run's [train] settings under Eole's names."""
    return {
        "bucket_size": 32_768,  # all of Multi30k: as little padding as its loader can reach
        "num_workers": 0,
        "world_size": 1,
        "gpu_ranks": [],
        "batch_type": "tokens",
        "batch_size": train.batch_target_tokens,
        "batch_size_multiple": 1,
        "accum_count": [1],
        "accum_steps": [0],
        "dropout": [model.dropout],
        "dropout_steps": [0],
        "attention_dropout": [model.attention_dropout],
        "optim": "adam",
        "adam_beta1": train.adam_beta1,
        "adam_beta2": train.adam_beta2,
        "decay_method": "noam",
        "learning_rate": train.learning_rate_scale,
        "warmup_steps": train.warmup_updates,
        "max_grad_norm": 0.0,
        "label_smoothing": train.label_smoothing,
        "param_init_method": "xavier_uniform",
        "normalization": "tokens",
    }


def model_settings(model: ModelSettings) -> dict[str, Any]:
    """Return the run's [model] settings under Eole's names."""
    return {
        "architecture": "transformer",
        "hidden_size": model.d_model,
        "layers": model.encoder_layers,
        "heads": model.heads,
        "transformer_ff": model.d_ff,
        "share_embeddings": True,
        "share_decoder_embeddings": True,
        "embeddings": {
            "word_vec_size": model.d_model,
            "position_encoding_type": "SinusoidalInterleaved",
        },
    }


@dataclass(frozen=True)
class Eole:
    """Eole's program and the folder of its files."""

    python: str
    work: Path
    threads: int

    def run(self, output: IO[bytes], *arguments: str) -> int:
        """Run a command of Eole, write what it prints into a file and return its exit status."""
        count = str(self.threads)
        return subprocess.run(
            [self.python, "-m", "eole.bin.main", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count},
            check=False,
        ).returncode

    def train(self, settings: dict[str, Any]) -> dict[int, float]:
        """Train; return the seconds from the start of the training loop to each checkpoint."""
        write_text(self.work / "eole.yaml", json.dumps(settings))  # JSON is YAML
        log = self.work / "train.log"
        with log.open("wb") as output:
            code = self.run(output, "train", "-config", f"{self.work}/eole.yaml")
        if code:
            sys.exit(f"Eole's training failed with exit status {code}: see {log}")
        started, seconds = None, {}
        for line in log.read_text(encoding="utf-8").splitlines():
            if (stamped := STAMP.match(line)) is None:
                continue
            now = datetime.fromisoformat(stamped[1].replace(",", "."))
            if "Start training loop" in line:
                started = now
            elif started and (step := STEP.search(line)):
                seconds[int(step[1])] = (now - started).total_seconds()
        if not seconds:
            sys.exit(f"Eole's log names no checkpoint: see {log}")
        return seconds

    def translate(self, step: int, beam_size: int) -> list[str]:
        """Translate the dev set with a checkpoint; return the texts."""
        output, log = self.work / f"dev.{step}", self.work / f"dev.{step}.log"
        files = ["-src", f"{self.work}/dev.source", "-output", f"{output}"]
        how = ["-beam_size", str(beam_size), "-batch_size", "32"]
        with log.open("wb") as printed:
            model = ["-model_path", f"{self.work}/model/step_{step}"]
            code = self.run(printed, "predict", *model, *files, *how)
        if code or not output.exists():
            sys.exit(
                f"Eole's translation with step {step} failed with exit status {code}: see {log}"
            )
        lines = output.read_text(encoding="utf-8").split("\n")[:-1]
        return [line.replace(" ", "").replace("\u2581", " ").strip() for line in lines]


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--python", required=True, help="Python of Eole's environment.")
@click.option("--data-dir", default="data", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--updates",
    type=click.IntRange(1),
    default=8000,
    show_default=True,
    help="Updates of Eole's training.",
)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Updates between checkpoints.",
)
@click.option("--precision", default="bf16", show_default=True, help="Eole's compute_dtype.")
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--bleu", "goals", type=float, multiple=True, default=(30.0, 35.0, 38.0), show_default=True
)
def command(
    run: Path,
    work: Path,
    python: str,
    data_dir: Path,
    updates: int,
    every: int,
    precision: str,
    threads: int,
    goals: tuple[float, ...],
) -> None:
    """Train Eole on RUN's corpus in a new folder WORK; print when it first reached each score."""
    folder = RunFolder(run)
    recipe = folder.load_recipe()
    check(recipe)
    if shutil.which(python) is None:
        raise click.UsageError(
            f"{python} cannot be run; --python must name the Python of Eole's environment"
        )
    if updates % every:
        raise click.UsageError(f"--updates {updates} is not a multiple of --every {every}")
    try:
        work.mkdir(parents=True)
        dev, vocabulary = write_corpus(recipe, folder, DataFolder(data_dir), work)
    except FileExistsError:
        raise click.UsageError(f"{work} exists; name a new folder") from None
    except NmtError as error:
        sys.exit(str(error))
    eole = Eole(python, work, threads)
    training = training_settings(recipe.train, recipe.model) | {
        "model_path": f"{work}/model",
        "train_steps": updates,
        "save_checkpoint_steps": every,
        "keep_checkpoint": -1,
        "compute_dtype": precision,
    }
    seconds = eole.train(
        vocabulary
        | {
            "seed": recipe.train.seed,
            "overwrite": True,
            "report_every": every,
            "save_data": f"{work}/samples",
            "n_sample": 0,
            "training": training,
            "model": model_settings(recipe.model),
        }
    )
    metrics = translation_metrics(recipe.data.target_language)
    references = [(target,) for _, target in dev]
    left = sorted(goals)
    for step in sorted(seconds):
        texts = eole.translate(step, recipe.decode.beam_size)
        if len(texts) != len(dev):
            sys.exit(
                f"Eole translated {len(texts)} of {len(dev)} dev segments: see {work}/dev.{step}"
            )
        bleu = main_score(metrics, texts, references)
        reached = f"{bleu:.2f} at {seconds[step] / 60:.1f} minutes, update {step:,}"
        click.echo(reached, err=True)
        while left and bleu >= left[0]:
            click.echo(f"dev BLEU {left.pop(0):g}: {reached}")
        if not left:
            break
    for goal in left:
        click.echo(f"dev BLEU {goal:g}: not reached")


if __name__ == "__main__":
    command()
