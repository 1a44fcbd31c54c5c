"""Measure when a peer, Eole or JoeyNMT, first reaches given dev scores on a recipe's corpus.

    nmt prepare multi30k_en_de_paper
    python benchmarks/peer_time_to_quality.py eole runs/multi30k_en_de_paper work \
        --python ENV/bin/python

ENV is an environment with the peer. The versions that Eole 0.6.4 and JoeyNMT 2.3.0 pin do not fit
torch 2.13: install torch and what they import by name, then the peer with --no-deps.

The peer gets the run's subwords, shape, dropout, batch size and learning rates. It uses its own
layers (norms before the sub-layers, sinusoids, ReLU), Adam and loader, and pairs of any length. Its
loader counts padding into a batch, so that its updates have fewer pairs than nmt's. Its training is
one process that writes checkpoints; the minutes are those from the start of its training loop to
each checkpoint, by its log. JoeyNMT validates before it writes one: it gets a single dev pair.
Afterwards the peer translates the run's dev set with each checkpoint in turn, with the run's beam,
until all given scores are reached. Eole has its own length penalty; JoeyNMT's is nmt's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from nmt.config import ModelSettings, Recipe, TrainSettings
from nmt.errors import NmtError
from nmt.evaluation.metrics import translation_metrics
from nmt.evaluation.scores import main_score
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import write_text
from nmt.text.reading.corpus import DataFolder
from nmt.text.subwords.tokenizer import EOS, SubwordModel, load_tokenizer

STAMP = re.compile(r"\[?(\d+-\d+-\d+ [\d:,]+) ")
Pairs = list[tuple[str, str]]


def write_subwords(path: Path, subwords: SubwordModel, segments: Iterable[str]) -> None:
    """Write segments as subwords separated by spaces, one segment a line."""
    lines = [" ".join(map(subwords.piece, ids)) for ids in subwords.encode(list(segments))]
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_corpus(recipe: Recipe, run: RunFolder, data: DataFolder, work: Path) -> Pairs:
    """Write the files that the peer reads, except for its vocabulary; return the dev set."""
    subwords = load_tokenizer(run.tokenizer).sides[0]  # joint: those of both sides
    train, dev = (
        [pair[:2] for files in corpora for pair in data.text(files, recipe).pairs()]
        for corpora in (recipe.data.train, recipe.data.dev)
    )
    for side, name in enumerate(("source", "target")):
        write_subwords(work / f"train.{name}", subwords, (pair[side] for pair in train))
        write_subwords(work / f"dev.{name}", subwords, (pair[side] for pair in dev))
    return dev


def known_subwords(run: RunFolder) -> list[str]:
    """Return the run's subwords, without the special tokens."""
    subwords = load_tokenizer(run.tokenizer).sides[0]
    return [subwords.piece(number) for number in range(EOS + 1, len(subwords))]


def check(recipe: Recipe) -> None:
    """Raise UsageError if a peer lacks a setting of the recipe and would silently ignore it."""
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
        "train.simcut = 0": train.simcut == 0,
        'train.optimizer = "adam"': train.optimizer == "adam",
        "train.weight_decay = 0": train.weight_decay == 0,
        "train.guided_alignment = 0": train.guided_alignment == 0,
        "train.cooldown_updates = 0": train.cooldown_updates == 0,
        "train.moving_average = 0": train.moving_average == 0,
        'train.init_from = ""': not train.init_from,
        'data.metric = "bleu"': recipe.data.metric == "bleu",
    }
    if missing := [name for name, holds in fits.items() if not holds]:
        raise click.UsageError(f"the peer cannot train the run's recipe: it needs {missing[0]}")


def eole_training(train: TrainSettings, model: ModelSettings) -> dict[str, Any]:
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


def eole_model(model: ModelSettings) -> dict[str, Any]:
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
class Peer:
    """A peer's program, and the folder of its files."""

    python: str
    work: Path
    threads: int
    recipe: Recipe
    precision: str

    module = ""  # of its program
    start = ""  # in the line of its log that begins the training
    step = re.compile("")  # in the line that a checkpoint leaves

    def run(self, log: Path, *arguments: str, files: tuple[Path, Path] | None = None) -> None:
        """Run a command of the peer; exit with a message if it fails.

        log: of what it prints. files: its input and output, if they are not named in arguments.
        """
        count = str(self.threads)
        source, output = files or (Path(os.devnull), log)
        with log.open("wb") as errors, source.open("rb") as text, output.open("ab") as printed:
            code = subprocess.run(
                [self.python, "-m", self.module, *arguments],
                stdin=text,
                stdout=printed,
                stderr=errors if files else subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count},
                check=False,
            ).returncode
        if code:
            sys.exit(f"{self.module} failed with exit status {code}: see {log}")

    def seconds(self, log: Path) -> dict[int, float]:
        """Return the seconds from the start of the training loop to each checkpoint in a log."""
        started: datetime | None = None
        seconds: dict[int, float] = {}
        for line in log.read_text(encoding="utf-8").splitlines():
            if (stamped := STAMP.match(line)) is None:
                continue
            now = datetime.fromisoformat(stamped[1].replace(",", "."))
            if self.start in line:
                started = started or now
            elif started and (step := self.step.search(line)):
                seconds.setdefault(int(step[1]), (now - started).total_seconds())
        if not seconds:
            sys.exit(f"the log names no checkpoint: see {log}")
        return seconds

    def texts(self, output: Path, count: int) -> list[str]:
        """Return a file of subwords as texts; exit with a message if some are missing."""
        lines = output.read_text(encoding="utf-8").split("\n")[:-1]
        if len(lines) != count:
            sys.exit(f"{len(lines)} of {count} dev segments are translated: see {output}")
        return [line.replace(" ", "").replace("\u2581", " ").strip() for line in lines]

    def train(self, known: Sequence[str], updates: int, every: int) -> dict[int, float]:
        """Train; return the seconds from the start of the training loop to each checkpoint."""
        raise NotImplementedError

    def translate(self, step: int, count: int) -> list[str]:
        """Translate the dev set of `count` segments with a checkpoint; return the texts."""
        raise NotImplementedError


class Eole(Peer):
    """Eole's program."""

    module, start, step = "eole.bin.main", "Start training loop", re.compile(r"Step\s+(\d+)/\s*\d+")

    def train(self, known: Sequence[str], updates: int, every: int) -> dict[int, float]:
        """Train; return the seconds from the start of the training loop to each checkpoint."""
        work = self.work
        write_text(work / "vocabulary", "".join(f"{subword}\t10\n" for subword in known))
        corpus = {"path_src": f"{work}/train.source", "path_tgt": f"{work}/train.target"}
        training = eole_training(self.recipe.train, self.recipe.model) | {
            "model_path": f"{work}/model",
            "train_steps": updates,
            "save_checkpoint_steps": every,
            "keep_checkpoint": -1,
            "compute_dtype": self.precision,
        }
        settings = {
            "data": {"corpus": corpus},
            "src_vocab": f"{work}/vocabulary",
            "tgt_vocab": f"{work}/vocabulary",
            "src_vocab_size": EOS + 1 + len(known),
            "tgt_vocab_size": EOS + 1 + len(known),
            "share_vocab": True,
            "vocab_size_multiple": 1,
            "seed": self.recipe.train.seed,
            "overwrite": True,
            "report_every": every,
            "save_data": f"{work}/samples",
            "n_sample": 0,
            "training": training,
            "model": eole_model(self.recipe.model),
        }
        write_text(work / "eole.yaml", json.dumps(settings))  # JSON is YAML
        self.run(work / "train.log", "train", "-config", f"{work}/eole.yaml")
        return self.seconds(work / "train.log")

    def translate(self, step: int, count: int) -> list[str]:
        """Translate the dev set of `count` segments with a checkpoint; return the texts."""
        output = self.work / f"dev.{step}"
        files = ["-src", f"{self.work}/dev.source", "-output", f"{output}"]
        how = ["-beam_size", str(self.recipe.decode.beam_size), "-batch_size", "32"]
        model = ["-model_path", f"{self.work}/model/step_{step}"]
        self.run(self.work / f"dev.{step}.log", "predict", *model, *files, *how)
        return self.texts(output, count)


class JoeyNmt(Peer):
    """JoeyNMT's program, which computes in float32 on a CPU."""

    module, start, step = "joeynmt", "EPOCH 1", re.compile(r"Checkpoint saved in .*?(\d+)\.ckpt")

    def settings(self, every: int = 0, updates: int = 0, step: int = 0) -> dict[str, Any]:
        """Return all settings, of a training or of a translation with a checkpoint."""
        work, model, train = self.work, self.recipe.model, self.recipe.train
        decode = self.recipe.decode
        side = {"level": "word", "voc_file": f"{work}/vocabulary", "max_length": 10_000}
        side["tokenizer_cfg"] = {"pretokenizer": "none"}
        layers = {
            "type": "transformer",
            "num_layers": model.encoder_layers,
            "num_heads": model.heads,
            "hidden_size": model.d_model,
            "ff_size": model.d_ff,
            "dropout": model.dropout,
            "layer_norm": "pre",
            "embeddings": {"embedding_dim": model.d_model, "scale": True, "dropout": model.dropout},
        }
        training = {
            "optimizer": "adam",
            "adam_betas": [train.adam_beta1, train.adam_beta2],
            "scheduling": "noam",
            "learning_rate_factor": train.learning_rate_scale,
            "learning_rate_warmup": train.warmup_updates,
            "learning_rate_min": 0.0,
            "label_smoothing": train.label_smoothing,
            "batch_size": train.batch_target_tokens,
            "batch_type": "token",
            "normalization": "tokens",
            "epochs": updates,
            "updates": updates,
            "validation_freq": every,
            "logging_freq": every,
            "keep_best_ckpts": -1,
            "print_valid_sents": [],
        }
        testing = {
            "beam_size": decode.beam_size,
            "beam_alpha": decode.length_penalty,
            "batch_size": 32,
            "batch_type": "sentence",
            "max_output_length": decode.max_segment_tokens + decode.max_extra_tokens,
        }
        return {
            "name": "peer",
            "model_dir": f"{work}/model",
            "use_cuda": False,
            "random_seed": train.seed,
            "data": {
                "train": f"{work}/train",
                "dev": f"{work}/dev",
                "sample_dev_subset": 1,
                "dataset_type": "plain",
                "src": side | {"lang": "source"},
                "trg": side | {"lang": "target"},
            },
            "training": training,
            "testing": testing | ({"load_model": f"{work}/model/{step}.ckpt"} if step else {}),
            "model": {
                "initializer": "xavier_uniform",
                "tied_embeddings": True,
                "tied_softmax": True,
                "encoder": layers,
                "decoder": layers,
            },
        }

    def train(self, known: Sequence[str], updates: int, every: int) -> dict[int, float]:
        """Train; return the seconds from the start of the training loop to each checkpoint."""
        special = ["<unk>", "<pad>", "<s>", "</s>"]
        write_text(self.work / "vocabulary", "".join(f"{word}\n" for word in (*special, *known)))
        file = self.work / "train.yaml"
        write_text(file, json.dumps(self.settings(every, updates)))  # JSON is YAML
        self.run(self.work / "train.log", "train", str(file), "--skip-test")
        return self.seconds(self.work / "model" / "train.log")

    def translate(self, step: int, count: int) -> list[str]:
        """Translate the dev set of `count` segments with a checkpoint; return the texts."""
        file, output = self.work / f"dev.{step}.yaml", self.work / f"dev.{step}"
        write_text(file, json.dumps(self.settings(1, 1, step)))
        files = self.work / "dev.source", output
        # Its option -o fails in version 2.3.0.
        self.run(self.work / f"dev.{step}.log", "translate", str(file), files=files)
        return self.texts(output, count)


PEERS: dict[str, type[Peer]] = {"eole": Eole, "joeynmt": JoeyNmt}


@click.command()
@click.argument("peer", type=click.Choice([*PEERS]))
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--python", required=True, help="Python of the peer's environment.")
@click.option("--data-dir", default="data", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--updates",
    type=click.IntRange(1),
    default=8000,
    show_default=True,
    help="Updates of the peer's training.",
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
    peer: str,
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
    """Train PEER on RUN's corpus in a new folder WORK; print when it first reached each score."""
    folder = RunFolder(run)
    recipe = folder.load_recipe()
    check(recipe)
    if shutil.which(python) is None:
        raise click.UsageError(
            f"{python} cannot be run; --python must name the Python of the peer's environment"
        )
    if updates % every:
        raise click.UsageError(f"--updates {updates} is not a multiple of --every {every}")
    try:
        work.mkdir(parents=True)
        dev = write_corpus(recipe, folder, DataFolder(data_dir), work)
    except FileExistsError:
        raise click.UsageError(f"{work} exists; name a new folder") from None
    except NmtError as error:
        sys.exit(str(error))
    made = PEERS[peer](python, work, threads, recipe, precision)
    seconds = made.train(known_subwords(folder), updates, every)
    metrics = translation_metrics(recipe.data.target_language)
    references = [(target,) for _, target in dev]
    left = sorted(goals)
    for step in sorted(seconds):
        bleu = main_score(metrics, made.translate(step, len(dev)), references)
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
