"""The BPE pipeline: learn the tokenizer, clean and encode the corpus, write its shards.

A manifest of content hashes records what each step was made from; a step is redone only when that
changed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import Any

from nmt.atomic import write_bytes, write_text
from nmt.config import DataSettings, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.log import progress_bar
from nmt.run import RunFolder
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.shards import Shard, new_shard, open_shard
from nmt.text.tokenizer import Tokenizer, learn, load_tokenizer

FORMAT = 1  # of the manifest and the shards
CHUNK_PAIRS = 20_000  # pairs encoded at once: bounds memory, keeps all threads busy

Report = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]
    fingerprint: str  # changes whenever the tokenizer or any shard does


class Manifest:
    """What the prepared corpus was made from, as hashes by step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.steps: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["format"] == FORMAT:
                self.steps, self.files = stored["steps"], stored["files"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no manifest that can be trusted: every step is redone

    def save(self) -> None:
        """Write it down, whole or not at all."""
        content = {"format": FORMAT, "steps": self.steps, "files": self.files}
        write_text(self._path, json.dumps(content, indent=1) + "\n")

    def forget(self, step: str) -> None:
        """Before a step is redone: should that be cut short, its old result is not trusted."""
        if self.steps.pop(step, None) is not None:
            self.save()

    def hash_file(self, path: Path) -> str:
        """SHA-256 of a file; one of unchanged size and time is not read again."""
        status = path.stat()
        known = self.files.get(str(path))
        if known and (known["size"], known["mtime_ns"]) == (status.st_size, status.st_mtime_ns):
            return str(known["sha256"])
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise NmtError(f"cannot read {path}: {error.strerror}") from error
        self.files[str(path)] = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": digest,
        }
        return digest


def hash_of(*parts: Any) -> str:
    """SHA-256 of values written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepare(recipe: Recipe, data: DataFolder, run: RunFolder, report: Report) -> Prepared:
    """Do what is not done yet of learning the BPE and encoding the training corpora.

    Raises NmtError for a missing, misaligned, empty or too small corpus.
    """
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")
    manifest = Manifest(run.prepared / "manifest.json")
    hashes = [
        [manifest.hash_file(data.find(name, recipe)) for name in files.names]
        for files in recipe.data.train
    ]
    tokenizer = prepare_tokenizer(recipe, data, run, manifest, hash_of(hashes), report)
    shards = []
    for index, files in enumerate(recipe.data.train):
        limits = [recipe.data.max_length, recipe.data.max_ratio]
        key = hash_of(hashlib.sha256(tokenizer.model).hexdigest(), hashes[index], limits)
        name = f"train-{index}"
        if manifest.steps.get(name, {}).get("key") != key or not is_whole(run, name, tokenizer):
            manifest.forget(name)
            counts = encode_corpus(recipe, files, data, run, name, tokenizer)
            manifest.steps[name] = {"key": key, **counts}
            manifest.save()
            report(describe(files, counts, recipe.data))
        shards.append(open_shard(run.prepared, name, len(tokenizer)))
    if not any(len(shard) for shard in shards):
        raise NmtError(
            f"no training pair is left after cleaning: {describe_dropped(manifest, recipe.data)}"
        )
    fingerprint = hash_of(*(manifest.steps[f"train-{i}"]["key"] for i in range(len(shards))))
    return Prepared(tokenizer, tuple(shards), fingerprint)


def is_whole(run: RunFolder, name: str, tokenizer: Tokenizer) -> bool:
    """Whether a shard is on disk and consistent."""
    try:
        open_shard(run.prepared, name, len(tokenizer))
    except NmtError:
        return False
    return True


def prepare_tokenizer(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    manifest: Manifest,
    corpus_hash: str,
    report: Report,
) -> Tokenizer:
    """The run's tokenizer, learned anew if the text or its settings changed."""
    key = hash_of(corpus_hash, asdict(recipe.tokenizer))
    known = manifest.steps.get("tokenizer", {})
    if known.get("key") == key and run.tokenizer.is_file():
        tokenizer = load_tokenizer(run.tokenizer)
        if hashlib.sha256(tokenizer.model).hexdigest() == known.get("sha256"):
            return tokenizer
    report(f"learning {recipe.tokenizer.vocab_size:,} BPE pieces")
    tokenizer = learn(training_segments(recipe, data), recipe.tokenizer)
    write_bytes(run.tokenizer, tokenizer.model)
    sha256 = hashlib.sha256(tokenizer.model).hexdigest()
    manifest.steps["tokenizer"] = {"key": key, "sha256": sha256}
    manifest.save()
    return tokenizer


def training_segments(recipe: Recipe, data: DataFolder) -> Iterator[str]:
    """All segments of the training corpora that are not blank, both sides."""
    empty = True
    for files in recipe.data.train:
        for pair in read_pairs(files, data, recipe):
            for side in pair:
                if side.strip():
                    empty = False
                    yield side
    if empty:
        names = ", ".join(name for files in recipe.data.train for name in files.names)
        raise NmtError(f"the training corpus is empty: {names}")


def encode_corpus(
    recipe: Recipe,
    files: TextFiles,
    data: DataFolder,
    run: RunFolder,
    name: str,
    tokenizer: Tokenizer,
) -> dict[str, int]:
    """Encode and clean one corpus into a shard; how many pairs were kept and dropped, and why."""
    counts: Counter[str] = Counter(kept=0, empty=0, too_long=0, ratio=0)
    pairs = read_pairs(files, data, recipe)
    with (
        new_shard(run.prepared, name, len(tokenizer)) as writer,
        progress_bar(unit="pair", unit_scale=True, desc="encode") as bar,
    ):
        while chunk := list(islice(pairs, CHUNK_PAIRS)):
            sources, targets = (
                tokenizer.encode(side, cpu_count() or 1) for side in zip(*chunk, strict=True)
            )
            kept = []
            for pair in zip(sources, targets, strict=True):
                verdict = judge(len(pair[0]), len(pair[1]), recipe.data)
                counts[verdict] += 1
                if verdict == "kept":
                    kept.append(pair)
            writer.add(kept)
            bar.update(len(chunk))
    return dict(counts)


def judge(source_length: int, target_length: int, limits: DataSettings) -> str:
    """Why a pair of these lengths is dropped, or "kept"."""
    shorter, longer = sorted((source_length, target_length))
    if shorter == 0:
        return "empty"
    if longer > limits.max_length:
        return "too_long"
    if longer > limits.max_ratio * shorter:
        return "ratio"
    return "kept"


def describe(files: TextFiles, counts: dict[str, int], limits: DataSettings) -> str:
    """One line on what cleaning kept and dropped."""
    return (
        f"{' + '.join(files.names)}: {counts['kept']:,} pairs kept; dropped {counts['empty']:,}"
        f" with an empty side, {counts['too_long']:,} longer than {limits.max_length} tokens,"
        f" {counts['ratio']:,} beyond a length ratio of {limits.max_ratio:g}"
    )


def describe_dropped(manifest: Manifest, limits: DataSettings) -> str:
    """Totals of what cleaning dropped, over all corpora."""
    steps = [step for name, step in manifest.steps.items() if name.startswith("train-")]
    empty, long, ratio = (sum(s[k] for s in steps) for k in ("empty", "too_long", "ratio"))
    return (
        f"{empty:,} with an empty side, {long:,} longer than data.max_length={limits.max_length},"
        f" {ratio:,} beyond data.max_ratio={limits.max_ratio:g}"
    )
