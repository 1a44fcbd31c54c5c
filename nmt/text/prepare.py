"""The BPE pipeline: learn the tokenizer, clean and encode the corpus, write its shards.

A manifest of content hashes records what each step was made from; a step is redone only when that
changed.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from os import cpu_count

from nmt.atomic import write_bytes
from nmt.config import DataSettings, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.log import progress_bar
from nmt.run import RunFolder
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.manifest import Manifest, hash_of
from nmt.text.shards import Shard, new_shard, open_shard
from nmt.text.tokenizer import Tokenizer, learn, load_tokenizer

CHUNK_PAIRS = 20_000  # pairs encoded at once: bounds memory, keeps all threads busy

Report = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]
    fingerprint: str  # changes whenever the tokenizer or any shard does


def prepare(recipe: Recipe, data: DataFolder, run: RunFolder, report: Report) -> Prepared:
    """Do what is not done yet of learning the BPE and encoding the training corpora.

    Raises NmtError for a missing, misaligned, empty or too small corpus.
    """
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")
    check_dev(recipe, data, report)
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
        if manifest.needs(name, key, run) or not is_whole(run, name, tokenizer):
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


def check_dev(recipe: Recipe, data: DataFolder, report: Report) -> None:
    """Find what is wrong with the dev set before hours of work, and tell of missing test sets."""
    for files in recipe.data.dev:
        for _ in read_pairs(files, data, recipe):
            pass
    for name, files in recipe.data.test.items():
        try:
            for file in (*files.names, *filter(None, [files.labels])):
                data.find(file, recipe)
        except NmtError as error:
            report(f"test set {name}, which `nmt evaluate` will need: {error}")


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
    if not manifest.needs("tokenizer", key, run) and run.tokenizer.is_file():
        tokenizer = load_tokenizer(run.tokenizer)
        if hashlib.sha256(tokenizer.model).hexdigest() == manifest.steps["tokenizer"].get("sha256"):
            return tokenizer
    lines = sum(1 for _ in training_segments(recipe, data))
    limit = recipe.tokenizer.sample_lines
    report(
        f"learning {recipe.tokenizer.vocab_size:,} BPE pieces from {lines:,} lines"
        + (f", of which about {limit:,} are sampled" if lines > limit else "")
    )
    segments = sample(training_segments(recipe, data), limit / lines)
    tokenizer = learn(segments, recipe.tokenizer)
    write_bytes(run.tokenizer, tokenizer.model)
    sha256 = hashlib.sha256(tokenizer.model).hexdigest()
    manifest.steps["tokenizer"] = {"key": key, "sha256": sha256}
    manifest.save()
    return tokenizer


def sample(segments: Iterable[str], share: float) -> Iterator[str]:
    """About this share of the segments, always the same ones; all of them from 1 on."""
    draw = random.Random(1)  # noqa: S311 (not for secrets)
    return (segment for segment in segments if share >= 1 or draw.random() < share)


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
