"""Encode a training corpus into one shard, or into several if it is large and plain text."""

from collections import Counter
from contextlib import closing

from nmt.config import DataSettings, Recipe, TextFiles
from nmt.system.log import Notify, progress_bar
from nmt.system.threads import processor_count
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.division import divide
from nmt.text.encode import VERDICTS, encode_pairs, encoding_pool
from nmt.text.intact import checked, stamps
from nmt.text.manifest import Manifest, PreparedFolder, Step
from nmt.text.parts import (
    ALL,
    DividedCorpus,
    Share,
    encode_parts,
    joined,
    read_records,
    shard_names,
)
from nmt.text.shards import new_shard
from nmt.text.tokenizer import Tokenizer


def shard_name(index: int) -> str:
    """Return the name of the shard of a training corpus by its index in the recipe."""
    return f"train-{index}"


def names_of(manifest: Manifest, index: int) -> list[str]:
    """Return the names of the shards of a training corpus by its index in the recipe."""
    name = shard_name(index)
    return shard_names(name, manifest.steps.get(name, Step("")))


def needs_encoding(
    folder: PreparedFolder,
    manifest: Manifest,
    name: str,
    key: str,
    notify: Notify,
    verify: bool,
) -> bool:
    """Return whether a corpus must be encoded; print a note if it was but is damaged."""
    if manifest.needs(name, key, folder):
        return True
    step = manifest.steps[name]
    if step.parts:
        records = read_records(folder.shards, name, key, step.parts, verify)
        present = step if joined(key, records) else None
    else:
        present = checked(folder.shards, name, step, verify)
    if present is None:
        notify(f"{folder.shards / name} is damaged or missing and is created again")
        return True
    if present != step:
        manifest.steps[name] = present
        manifest.save()
    return False


def encode_corpus(
    recipe: Recipe,
    files: TextFiles,
    data: DataFolder,
    folder: PreparedFolder,
    manifest: Manifest,
    index: int,
    tokenizer: Tokenizer,
    key: str,
    share: Share,
    notify: Notify,
    verify: bool,
) -> Step | None:
    """Encode and clean the training corpus `files`, number `index`, into one shard or several.

    Returns its step, or None if other machines have not encoded their share of it yet. verify: hash
    the parts that are there.
    """
    name, paths = shard_name(index), tuple(data.find(each, recipe) for each in files.names)
    with closing(encoding_pool(processor_count())) as pool:
        parts = tuple(divide(paths, manifest, pool))
        if parts:
            if share.number == 1:
                manifest.save()  # the other machines, and a later start, need not count lines
            corpus = DividedCorpus(folder.shards, name, key, paths, parts, recipe.data, files.tag)
            encoded = encode_parts(corpus, tokenizer.model, share, pool, verify)
            own = len(share.of(len(parts)))
            if share != ALL or encoded < own:
                notify(
                    f"{' + '.join(files.names)}: {encoded} of {own} parts encoded"
                    + (f"; {own - encoded} were there" if encoded < own else "")
                )
    if parts:
        if share != ALL:
            return None
        return joined(key, read_records(folder.shards, name, key, len(parts), verify))
    if share != ALL:
        notify(f"{' + '.join(files.names)} is not divided; `nmt prepare` without --part encodes it")
        return None
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    with (
        new_shard(folder.shards, name, len(tokenizer)) as writer,
        progress_bar(unit="pair", unit_scale=True, desc="encode") as bar,
    ):
        pairs = read_pairs(files, data, recipe)
        for chunk in encode_pairs(pairs, tokenizer, recipe.data, files.tag):
            writer.add(chunk.pairs)
            counts.update(chunk.counts)
            bar.update(sum(chunk.counts.values()))
    return Step(key, writer.digests(), dict(counts), stamps(folder.shards, name))


def describe(files: TextFiles, counts: dict[str, int], limits: DataSettings) -> str:
    """Return one line about what cleaning kept and dropped."""
    dropped = (
        (counts["empty"], "with an empty side"),
        (counts["too_long"], f"longer than {limits.max_length} tokens"),
        (counts["ratio"], f"beyond a length ratio of {limits.max_ratio:g}"),
    )
    lost = ", ".join(f"{count:,} {why}" for count, why in dropped if count)
    return f"{files.title}: {counts['kept']:,} pairs kept{lost and f'; dropped {lost}'}"


def describe_dropped(manifest: Manifest, limits: DataSettings) -> str:
    """Return a phrase with the totals that cleaning dropped from all corpora."""
    counts = [step.counts for name, step in manifest.steps.items() if name.startswith("train-")]
    empty, long, ratio = (
        sum(each.get(k, 0) for each in counts) for k in ("empty", "too_long", "ratio")
    )
    return (
        f"{empty:,} with an empty side, {long:,} longer than data.max_length={limits.max_length},"
        f" {ratio:,} beyond data.max_ratio={limits.max_ratio:g}"
    )
