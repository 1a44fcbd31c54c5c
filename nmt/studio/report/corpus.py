"""What a run was trained on, in numbers."""

from dataclasses import dataclass

import numpy

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.text.manifest import Manifest
from nmt.text.shards import Shard, open_shard

LONGEST = 100  # tokens of the histogram's last bin, which counts the longer ones too


@dataclass(frozen=True)
class CorpusStatistics:
    """One training corpus, after cleaning; tokens without EOS."""

    files: str
    kept: int  # pairs
    dropped: dict[str, int]  # pairs by reason
    source_tokens: int
    target_tokens: int
    source_lengths: list[int]  # segments of 0, 1, ... tokens
    target_lengths: list[int]


def corpus_statistics(recipe: Recipe, run: RunFolder) -> list[CorpusStatistics]:
    """Of each training corpus; none of one whose shard is gone."""
    manifest = Manifest(run.prepared / "manifest.json")
    found = []
    for index, files in enumerate(recipe.data.train):
        name = f"train-{index}"
        counts = {
            reason: int(count)
            for reason, count in manifest.steps.get(name, {}).items()
            if isinstance(count, int)
        }
        try:
            shard = open_shard(run.prepared, name, recipe.tokenizer.vocab_size)
        except NmtError:
            continue
        found.append(statistics(" + ".join(files.names), counts, shard))
    return found


def statistics(files: str, counts: dict[str, int], shard: Shard) -> CorpusStatistics:
    """Of one shard."""
    lengths = numpy.zeros((2, LONGEST + 1), numpy.int64)
    tokens = [0, 0]
    for block in shard.lengths():
        for side, each in enumerate(block):
            tokens[side] += int(each.sum())
            lengths[side] += numpy.bincount(each.clip(max=LONGEST), minlength=LONGEST + 1)
    dropped = {key: value for key, value in counts.items() if key != "kept"}
    return CorpusStatistics(
        files=files,
        kept=len(shard),
        dropped=dropped,
        source_tokens=tokens[0],
        target_tokens=tokens[1],
        source_lengths=lengths[0].tolist(),
        target_lengths=lengths[1].tolist(),
    )
