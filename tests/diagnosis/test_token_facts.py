"""Counts of tokens in prepared text, by hand."""

import math
from pathlib import Path

import pytest

from nmt.diagnosis.token_facts import RARE, token_facts
from nmt.runs.run_folder import RunFolder
from nmt.text.corpus import Pair
from nmt.text.prepare import Prepared, open_prepared
from tests.conftest import Run
from tests.diagnosis.trainings import arguments, write_text


@pytest.fixture
def prepared(nmt: Run, tmp_path: Path) -> Prepared:
    """Return 12 pairs of words: `sun` is "sole" 8 times, and `moon` is "luna luna" 4 times."""
    pairs = [("sun", "sole")] * 8 + [("moon", "luna luna")] * 4
    recipe = write_text(tmp_path, pairs, pairs[:1])
    run = tmp_path / "run"
    changes = {"train.max_updates": 1}
    assert nmt(*arguments(recipe, run, dict(changes))).code == 0
    folder = RunFolder(run)
    return open_prepared(folder.load_recipe(), folder.prepared_folder())


def entropy(*counts: int) -> float:
    """Return the entropy of tokens with these counts."""
    return -sum(each / sum(counts) * math.log(each / sum(counts)) for each in counts)


def test_tokens_are_counted_on_each_side_with_their_ends(prepared: Prepared) -> None:
    facts = token_facts(prepared.shards, prepared.tokenizer)
    source, target = facts.sides
    assert (source.segments, source.tokens, source.unknown) == (12, 12, 0)
    assert (target.segments, target.tokens, target.unknown) == (12, 16, 0)
    assert source.entropy == pytest.approx(entropy(8, 4, 12))
    assert target.entropy == pytest.approx(entropy(8, 8, 12))
    (vocabulary,) = facts.vocabularies
    assert vocabulary.size == len(prepared.tokenizer)
    assert vocabulary.rare == vocabulary.size - 4  # the special tokens are none of them
    assert RARE == 10
    assert facts.dev is None


def test_blocks_at_equal_distances_stand_for_a_large_text(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs 1 and 2, 5 and 6, 9 and 10 are counted: four of "sun", two of "moon"."""
    monkeypatch.setattr("nmt.diagnosis.token_facts.BLOCK_PAIRS", 2)
    monkeypatch.setattr("nmt.diagnosis.token_facts.MOST_BLOCKS", 3)
    source, target = token_facts(prepared.shards, prepared.tokenizer).sides
    assert (source.segments, source.tokens, target.tokens) == (6, 6, 8)
    assert source.entropy == pytest.approx(entropy(4, 2, 6))


def test_dev_tokens_are_compared_with_the_training_text(prepared: Prepared) -> None:
    facts = token_facts(prepared.shards, prepared.tokenizer, [Pair("moon cloud", "luna")])
    assert facts.dev is not None
    source, target = facts.dev
    size = len(prepared.tokenizer)
    assert (source.segments, source.tokens, source.unknown) == (1, 2, 1)
    assert (target.segments, target.tokens, target.unknown) == (1, 1, 0)
    half, everything = 0.5, 24 + size / 2
    seen = [4 + half, half, 12 + half]  # moon, unknown, the end
    surprise = -sum(math.log(each / everything) for each in seen) / 3
    assert source.cross_entropy == pytest.approx(surprise)


def test_rare_characters_do_not_make_a_vocabulary_too_large(nmt: Run, tmp_path: Path) -> None:
    letters = [chr(0x4E00 + place) for place in range(60)]
    pairs = [("".join(letters[first : first + 6]), "sun") for first in range(0, 60, 6)]
    recipe = write_text(tmp_path, pairs, pairs[:1])
    run = tmp_path / "run"
    changes = {"train.max_updates": 1, "tokenizer.kind": "bpe", "tokenizer.vocab_size": 70}
    result = nmt(*arguments(recipe, run, changes))
    assert result.code == 0, result.err
    assert "the vocabulary is too large" not in result.err
    folder = RunFolder(run)
    prepared = open_prepared(folder.load_recipe(), folder.prepared_folder())
    (vocabulary,) = token_facts(prepared.shards, prepared.tokenizer).vocabularies
    assert (vocabulary.size, vocabulary.rare <= 70 - 60) == (70, True)
