"""Count the pairs and tokens that a run was trained on."""

from dataclasses import dataclass

import numpy

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.text.manifest import Manifest
from nmt.text.prepare import shard_name
from nmt.text.shards import Shard, open_shard
from nmt.text.tokenizer import load_tokenizer

LONGEST = 100  # tokens; the last bin of a histogram also counts longer segments


@dataclass(frozen=True)
class CorpusStatistics:
    """Counts of one training corpus after cleaning; tokens do not include EOS."""

    files: str
    kept: int  # pairs
    dropped: dict[str, int]  # pairs by reason
    source_tokens: int
    target_tokens: int
    source_lengths: list[int]  # segments of 0, 1, ... LONGEST or more tokens
    target_lengths: list[int]


@dataclass(frozen=True)
class TrainingText:
    """The training corpora of a run."""

    corpora: tuple[CorpusStatistics, ...]
    problems: tuple[str, ...]  # a sentence for each part that cannot be read


def read_training_text(recipe: Recipe, run: RunFolder) -> TrainingText:
    """Return the counts of each training corpus, and which corpora are missing or damaged."""
    try:
        # The tokenizer's size decides how wide a shard's integers are. The recipe's vocab_size does
        # not: a word tokenizer may have fewer entries.
        vocab_size = len(load_tokenizer(run.tokenizer))
        manifest = Manifest(run.prepared / "manifest.json")
    except NmtError as error:
        return TrainingText((), (f"no statistics of the training text: {error}",))
    corpora, problems = [], [manifest.damage] if manifest.damage else []
    for index, files in enumerate(recipe.data.train):
        name = shard_name(index)
        try:
            shard = open_shard(run.prepared, name, vocab_size)
            dropped = dropped_pairs(manifest, name)
            corpora.append(count_corpus(files.title, dropped, shard))
        except NmtError as error:
            problems.append(f"no statistics of {files.title}: {error}")
        except ValueError:
            path = run.prepared / f"{name}.offsets"
            problems.append(f"no statistics of {files.title}: {path} is damaged")
    return TrainingText(tuple(corpora), tuple(problems))


def dropped_pairs(manifest: Manifest, name: str) -> dict[str, int]:
    """Return how many pairs cleaning dropped from a corpus, by reason."""
    counts = manifest.steps[name].counts if name in manifest.steps else {}
    return {reason: count for reason, count in counts.items() if reason != "kept"}


def count_corpus(files: str, dropped: dict[str, int], shard: Shard) -> CorpusStatistics:
    """Return the counts of one corpus, read block by block.

    Raises ValueError if offsets decrease, which they never do in an intact shard.
    """
    lengths = numpy.zeros((2, LONGEST + 1), numpy.int64)
    tokens = [0, 0]
    for block in shard.lengths():
        for side, each in enumerate(block):
            tokens[side] += int(each.sum())
            lengths[side] += numpy.bincount(each.clip(max=LONGEST), minlength=LONGEST + 1)
    return CorpusStatistics(
        files=files,
        kept=len(shard),
        dropped=dropped,
        source_tokens=tokens[0],
        target_tokens=tokens[1],
        source_lengths=lengths[0].tolist(),
        target_lengths=lengths[1].tolist(),
    )
