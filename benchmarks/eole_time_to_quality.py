"""When Eole, a peer, first reaches given dev scores in training on a recipe's corpus.

    python -m venv ENV && ENV/bin/pip install eole
    nmt prepare multi30k_en_de
    python benchmarks/eole_time_to_quality.py runs/multi30k_en_de work --python ENV/bin/python

Eole gets the run's own pieces, shape, dropout, batch size and learning rates, and its own layers
(norms before the sub-layers, sinusoids, ReLU), Adam and loader. Its training is one process that
writes checkpoints; minutes are those between its first update and each checkpoint, by its log.
Afterwards it translates the run's dev set with every checkpoint in turn, with the run's beam, until
all scores asked for are reached.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from nmt.atomic import write_text
from nmt.config import Recipe
from nmt.metrics.scores import main_score
from nmt.metrics.translation import translation_metrics
from nmt.run import RunFolder
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.tokenizer import EOS, Pieces, load_tokenizer

STAMP = re.compile(r"\[(\d+-\d+-\d+ [\d:,]+) INFO\]")
STEP = re.compile(r"Step\s+(\d+)/\s*\d+")
Pairs = list[tuple[str, str]]


def write_pieces(path: Path, pieces: Pieces, segments: Iterable[str]) -> None:
    """Segments as pieces apart, a line each."""
    lines = [" ".join(map(pieces.piece, ids)) for ids in pieces.encode(list(segments))]
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_corpus(recipe: Recipe, run: RunFolder, data: DataFolder, work: Path) -> Pairs:
    """The pieces and vocabulary that Eole reads; the dev set's pairs."""
    sides = load_tokenizer(run.tokenizer).sides
    train = [pair for files in recipe.data.train for pair in read_pairs(files, data, recipe)]
    dev = [pair for files in recipe.data.dev for pair in read_pairs(files, data, recipe)]
    for side, pieces, language in zip((0, 1), sides, ("source", "target"), strict=True):
        write_pieces(work / f"train.{language}", pieces, (pair[side] for pair in train))
        write_pieces(work / f"dev.{language}", pieces, (pair[side] for pair in dev))
    known = [sides[1].piece(number) for number in range(EOS + 1, len(sides[1]))]
    write_text(work / "vocabulary", "".join(f"{piece}\t10\n" for piece in known))
    return dev


def configuration(recipe: Recipe, work: Path, updates: int, every: int, precision: str) -> Any:
    """Eole's settings, in its own words."""
    model, train = recipe.model, recipe.train
    shared = {
        "src_vocab": f"{work}/vocabulary",
        "tgt_vocab": f"{work}/vocabulary",
        "src_vocab_size": recipe.tokenizer.vocab_size,
        "tgt_vocab_size": recipe.tokenizer.vocab_size,
        "share_vocab": True,
        "vocab_size_multiple": 1,
    }
    corpus = {"path_src": f"{work}/train.source", "path_tgt": f"{work}/train.target"}
    return shared | {
        "seed": train.seed,
        "overwrite": True,
        "report_every": every,
        "save_data": f"{work}/samples",
        "n_sample": 0,
        "data": {"corpus": corpus},
        "training": {
            "model_path": f"{work}/model",
            "train_steps": updates,
            "save_checkpoint_steps": every,
            "keep_checkpoint": -1,
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
            "compute_dtype": precision,
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
        },
        "model": {
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
        },
    }


def train_eole(eole: list[str], work: Path, environment: dict[str, str]) -> dict[int, float]:
    """Train; the seconds from the first update to each checkpoint, by its log."""
    log = work / "train.log"
    command = [*eole, "train", "-config", f"{work}/eole.yaml"]
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode:
        sys.exit(f"Eole's training ended with {done.returncode}: see {log}")
    began, seconds = datetime.min, {}
    for line in log.read_text(encoding="utf-8").splitlines():
        if (stamped := STAMP.match(line)) is None:
            continue
        now = datetime.fromisoformat(stamped[1].replace(",", "."))
        if "Start training loop" in line:
            began = now
        elif step := STEP.search(line):
            seconds[int(step[1])] = (now - began).total_seconds()
    return seconds


def score(
    eole: list[str], recipe: Recipe, work: Path, step: int, dev: Pairs, environment: dict[str, str]
) -> float:
    """Dev BLEU of a checkpoint, as `nmt train` would score the same texts."""
    output = work / f"dev.{step}"
    beam = ["-beam_size", str(recipe.decode.beam_size), "-batch_size", "32"]
    files = ["-src", f"{work}/dev.source", "-output", f"{output}", *beam]
    model = ["-model_path", f"{work}/model/step_{step}", *files]
    done = subprocess.run(
        [*eole, "predict", *model], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        sys.exit(f"Eole's translating with step {step} failed: {done.stderr[-2000:]}")
    texts = [
        line.replace(" ", "").replace("\u2581", " ").strip()
        for line in output.read_text(encoding="utf-8").split("\n")[:-1]
    ]
    return main_score(
        translation_metrics(recipe.data.target_language), texts, [(target,) for _, target in dev]
    )


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--python", required=True, help="Of the environment that Eole is installed in.")
@click.option("--data-dir", default="data", show_default=True, type=click.Path(path_type=Path))
@click.option("--updates", default=8000, show_default=True, help="Of Eole's training.")
@click.option("--every", default=1000, show_default=True, help="Updates between checkpoints.")
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
    """Train Eole on RUN's corpus in the folder WORK and tell when it first reached each score."""
    folder = RunFolder(run)
    recipe = folder.load_recipe()
    shutil.rmtree(work / "model", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    dev = write_corpus(recipe, folder, DataFolder(data_dir), work)
    settings = configuration(recipe, work, updates, every, precision)
    write_text(work / "eole.yaml", json.dumps(settings))  # JSON is YAML
    eole = [python, "-m", "eole.bin.main"]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    seconds = train_eole(eole, work, environment)
    left = sorted(goals)
    for step in sorted(seconds):
        bleu = score(eole, recipe, work, step, dev, environment)
        told = f"{bleu:.2f} at {seconds[step] / 60:.1f} minutes, update {step:,}"
        click.echo(told, err=True)
        while left and bleu >= left[0]:
            click.echo(f"dev BLEU {left.pop(0):g}: {told}")
        if not left:
            break
    for goal in left:
        click.echo(f"dev BLEU {goal:g}: not reached")


if __name__ == "__main__":
    command()
