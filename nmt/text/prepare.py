"""The pipeline of text: learn the tokenizer, clean and encode the corpus, write its shards.

A manifest of content hashes records what each step was made from; a step is redone only when that
changed.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nmt.config import DataSettings, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.system.atomic import write_bytes
from nmt.system.log import progress_bar
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.encode import REASONS, encode_pairs
from nmt.text.manifest import Manifest, PreparedFolder, hash_of
from nmt.text.shards import ENDINGS, Shard, is_whole, new_shard, open_shard
from nmt.text.tokenizer import Tokenizer, joined, learn, load_tokenizer, wanted_pieces

DEV = "dev"  # the manifest's step of the dev set, which is read as it is
SAMPLE_CHARACTERS = 300_000_000  # of text that SentencePiece, which keeps it all, learns from

Report = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]
    names: tuple[str, ...]  # the text files of each shard, for messages
    fingerprint: str  # changes whenever the tokenizer, any shard or the dev set does


def prepare(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    report: Report,
    given_tokenizer: bytes | None = None,
) -> Prepared:
    """Do what is not done yet of learning the tokenizer and encoding the training corpora.

    With `given_tokenizer`, a SentencePiece model, none is learned. Raises NmtError for a missing,
    misaligned, empty or too small corpus.
    """
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")
    check_dev(recipe, data, report)
    manifest = Manifest(folder.manifest)
    dev = [data.find(name, recipe) for files in recipe.data.dev for name in files.names]
    dev_key = hash_of([manifest.hash_file(path) for path in dev])
    new_dev = manifest.needs(DEV, dev_key, folder)
    manifest.steps[DEV] = {"key": dev_key}
    hashes = [
        [manifest.hash_file(data.find(name, recipe)) for name in files.names]
        for files in recipe.data.train
    ]
    if given_tokenizer is None:
        tokenizer = prepare_tokenizer(recipe, data, folder, manifest, hash_of(hashes), report)
    else:
        tokenizer = take_tokenizer(given_tokenizer, folder, manifest)
    for index, files in enumerate(recipe.data.train):
        limits = [recipe.data.max_length, recipe.data.max_ratio]
        key = hash_of(hashlib.sha256(tokenizer.model).hexdigest(), hashes[index], limits)
        name = shard_name(index)
        needed = manifest.needs(name, key, folder)
        if not needed and not is_whole(folder.shards, name, manifest.steps[name].get("sha256", {})):
            report(f"{folder.shards / name} is damaged or missing; it is made anew")
            needed = True
        if needed:
            manifest.forget(name)
            counts, digests = encode_corpus(recipe, files, data, folder, name, tokenizer)
            manifest.steps[name] = {"key": key, "sha256": digests, **counts}
            manifest.save()
            report(describe(files, counts, recipe.data))
    if new_dev:
        manifest.save()
    remove_unused(folder.shards, manifest, set(map(shard_name, range(len(recipe.data.train)))))
    prepared = open_prepared(recipe, folder)
    if not any(map(len, prepared.shards)):
        raise NmtError(
            f"no training pair is left after cleaning: {describe_dropped(manifest, recipe.data)}"
        )
    return prepared


def shard_name(index: int) -> str:
    """The shard of the training corpus of this place in the recipe."""
    return f"train-{index}"


def open_prepared(recipe: Recipe, folder: PreparedFolder) -> Prepared:
    """The corpus as `prepare` left it."""
    manifest = Manifest(folder.manifest)
    tokenizer = load_tokenizer(folder.tokenizer)
    names = [shard_name(index) for index in range(len(recipe.data.train))]
    return Prepared(
        tokenizer,
        tuple(open_shard(folder.shards, name, len(tokenizer)) for name in names),
        tuple(" + ".join(files.names) for files in recipe.data.train),
        hash_of(*(manifest.steps[name]["key"] for name in [*names, DEV])),
    )


def remove_unused(folder: Path, manifest: Manifest, names: set[str]) -> None:
    """Remove and forget shards of corpora that the recipe no longer names."""
    for step in [each for each in manifest.steps if each.startswith("train-")]:
        if step not in names:
            manifest.forget(step)
    for path in folder.glob("train-*"):
        if path.suffix[1:] in ENDINGS and path.stem not in names:
            path.unlink()


def check_dev(recipe: Recipe, data: DataFolder, report: Report) -> None:
    """Find what is wrong with the dev set before hours of work, and tell of missing test sets."""
    for files in recipe.data.dev:
        for _ in read_pairs(files, data, recipe):
            pass
    for name, files in recipe.data.test.items():
        try:
            for file in (*files.names, *filter(None, [files.labels]), *files.references):
                data.find(file, recipe)
        except NmtError as error:
            report(f"test set {name}, which `nmt evaluate` will need: {error}")


def take_tokenizer(model: bytes, folder: PreparedFolder, manifest: Manifest) -> Tokenizer:
    """A tokenizer made elsewhere as the run's own."""
    tokenizer = Tokenizer(model, "the tokenizer of the model to begin with")
    sha256 = hashlib.sha256(model).hexdigest()
    key = hash_of("given", sha256)
    if manifest.needs("tokenizer", key, folder) or not holds(folder.tokenizer, model):
        write_bytes(folder.tokenizer, model)
        manifest.steps["tokenizer"] = {"key": key, "sha256": sha256}
        manifest.save()
    return tokenizer


def holds(path: Path, content: bytes) -> bool:
    """Whether a file is there with this content."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def prepare_tokenizer(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    manifest: Manifest,
    corpus_hash: str,
    report: Report,
) -> Tokenizer:
    """The run's tokenizer, learned anew if the text or its settings changed."""
    settings = asdict(recipe.tokenizer)
    if recipe.tokenizer.kind == "bpe":
        del settings["kind"]  # as before there were others, so that what was prepared then stands
    if recipe.tokenizer.joint:
        del settings["joint"]
    key = hash_of(corpus_hash, settings)
    if not manifest.needs("tokenizer", key, folder) and folder.tokenizer.is_file():
        tokenizer = load_tokenizer(folder.tokenizer)
        if hashlib.sha256(tokenizer.model).hexdigest() == manifest.steps["tokenizer"].get("sha256"):
            return tokenizer
    lines, characters = measure(training_segments(recipe, data))
    share = min(recipe.tokenizer.sample_lines / lines, SAMPLE_CHARACTERS / characters)
    report(
        f"learning {wanted_pieces(recipe.tokenizer)} from {lines:,} lines"
        + (f", of which about {round(share * lines):,} are sampled" if share < 1 else "")
    )
    tokenizer = learn_tokenizer(recipe, data, share)
    write_bytes(folder.tokenizer, tokenizer.model)
    sha256 = hashlib.sha256(tokenizer.model).hexdigest()
    manifest.steps["tokenizer"] = {"key": key, "sha256": sha256}
    manifest.save()
    return tokenizer


def learn_tokenizer(recipe: Recipe, data: DataFolder, share: float) -> Tokenizer:
    """Pieces of both languages, or of each, from this share of the text."""
    if recipe.tokenizer.joint:
        segments = sample(training_segments(recipe, data), share)
        return Tokenizer(learn(segments, recipe.tokenizer).model)
    source, target = (
        learn(
            sample(training_segments(recipe, data, slice(side, side + 1)), share),
            recipe.tokenizer,
            f"the {name} side of this corpus",
        )
        for side, name in enumerate(("source", "target"))
    )
    return joined(source, target)


def measure(segments: Iterable[str]) -> tuple[int, int]:
    """Lines and characters."""
    lines, characters = 0, 0
    for segment in segments:
        lines += 1
        characters += len(segment)
    return lines, characters


def sample(segments: Iterable[str], share: float) -> Iterator[str]:
    """About this share of the segments, always the same ones; all of them from 1 on."""
    draw = random.Random(1)  # noqa: S311 (not for secrets)
    return (segment for segment in segments if share >= 1 or draw.random() < share)


def training_segments(recipe: Recipe, data: DataFolder, sides: slice = slice(2)) -> Iterator[str]:
    """All segments of the training corpora that are not blank, both sides unless one is named."""
    empty = True
    for files in recipe.data.train:
        for pair in read_pairs(files, data, recipe):
            for side in pair[sides]:
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
    folder: PreparedFolder,
    name: str,
    tokenizer: Tokenizer,
) -> tuple[dict[str, int], dict[str, str]]:
    """Encode and clean one corpus into a shard: pairs by verdict, and its files' SHA-256."""
    counts = Counter(dict.fromkeys(REASONS, 0))
    pairs = read_pairs(files, data, recipe)
    with (
        new_shard(folder.shards, name, len(tokenizer)) as writer,
        progress_bar(unit="pair", unit_scale=True, desc="encode") as bar,
    ):
        for chunk in encode_pairs(pairs, tokenizer, recipe.data):
            writer.add(chunk.pairs)
            counts.update(chunk.counts)
            bar.update(sum(chunk.counts.values()))
    return dict(counts), writer.digests()


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
