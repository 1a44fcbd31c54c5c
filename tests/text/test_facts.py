"""The facts about a prepared corpus are those of a count by hand or a plain search in the text."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from nmt.errors import DamagedError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.facts import QuickLook, hash_sides, known_text, quick_look, token_facts
from nmt.text.known_text import KnownText, hash_pairs
from nmt.text.prepare import Prepared, prepare
from nmt.text.reading.corpus import DataFolder, Pair
from nmt.text.shards import flatten
from tests.corpora.corpora import Pairs, corpus, write

CLEAN = corpus(1200)
DEV = corpus(8, seed=2)
FILES = 'train = [{source = "train.en", target = "train.de"}]'


def prepared(folder: Path, pairs: Pairs, data: str = "", **tokenizer: object) -> Prepared:
    write(folder, pairs, "train")
    kinds = "".join(f"{name} = {value!r}\n" for name, value in tokenizer.items())
    recipe = folder / "mine.toml"
    recipe.write_text(f"[data]\n{data or FILES}\n[tokenizer]\n{kinds or 'vocab_size = 120'}\n")
    run = RunFolder(folder / "run")
    return prepare(
        load_recipe(str(recipe)), DataFolder(folder), run.prepared_folder(), lambda note: None
    )


def look(folder: Path, pairs: Pairs, dev: Pairs = DEV, data: str = "") -> QuickLook:
    made = prepared(folder, pairs, data)
    sources = made.tokenizer.sides[0].encode([source for source, _ in dev])
    return quick_look(made.shards, made.names, made.tokenizer, sources)


def test_a_clean_corpus_has_nothing_that_stands_out(tmp_path: Path) -> None:
    found = look(tmp_path, CLEAN)
    assert (found.pairs, found.repeated, found.copied, found.overlap) == (1200, 0, 0, 0)
    assert found.lines() == []
    assert not look(tmp_path, sorted(corpus(2000), key=lambda pair: len(pair[0]))).unrelated


@pytest.mark.parametrize(
    "data", [FILES, FILES.replace('de"}', 'de", tag = "<BT>"}'), f"context = 3\n{FILES}"]
)
def test_repetition_copies_and_overlap_are_counted(tmp_path: Path, data: str) -> None:
    """A tag before the sources of the training text, and context, change nothing."""
    damaged = [*CLEAN, *CLEAN[:7], *((source, source) for source, _ in CLEAN[20:25])]
    found = look(tmp_path, damaged, [*DEV[:1], *CLEAN[3:5]], data)
    assert (found.pairs, found.repeated, found.copied) == (1212, 7, 5)
    assert (found.overlap, found.dev_pairs) == (2, 3)
    assert "dev scores will be too high" in found.lines()[1]


def test_each_side_has_control_tokens_of_its_own() -> None:
    """An id may be that of a tag in one of two vocabularies alone."""
    ids, lengths = numpy.array([4, 9, 8, 4, 9, 9, 7, 4, 9], numpy.uint16), numpy.array([2, 3, 1, 3])
    sources, targets = hash_sides(ids, lengths, 20, [[4], []])
    assert sources[0] == sources[1]
    assert targets[0] != targets[1]


@pytest.mark.parametrize("line", [100, 600])
def test_files_that_slip_stand_out(tmp_path: Path, line: int) -> None:
    sources = [source for source, _ in CLEAN]
    targets = [target for _, target in CLEAN]
    del sources[line], targets[-1]
    found = look(tmp_path, [*zip(sources, targets, strict=True)])
    assert "may not belong together from about line" in found.lines()[-1]


@pytest.fixture
def words(tmp_path: Path) -> Prepared:
    """Return 12 pairs of words: `sun` is "sole" 8 times, and `moon` is "luna luna" 4 times."""
    pairs = [("sun", "sole")] * 8 + [("moon", "luna luna")] * 4
    return prepared(tmp_path, pairs, kind="word", vocab_size=50)


def entropy(*counts: int) -> float:
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)


def test_tokens_are_counted_on_each_side_with_their_ends(words: Prepared) -> None:
    facts = token_facts(words.shards, words.tokenizer)
    source, target = facts.sides
    assert (source.segments, source.tokens) == (12, 12)
    assert (target.segments, target.tokens) == (12, 16)
    assert source.entropy == pytest.approx(entropy(8, 4, 12))
    assert target.entropy == pytest.approx(entropy(8, 8, 12))
    (vocabulary,) = facts.vocabularies
    assert vocabulary.size == len(words.tokenizer)
    assert vocabulary.rare == vocabulary.size - 4  # the special tokens are none of them
    assert facts.dev is None


def test_blocks_at_equal_distances_stand_for_a_large_text(
    words: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs 1 and 2, 5 and 6, 9 and 10 are counted: four of "sun", two of "moon"."""
    monkeypatch.setattr("nmt.text.facts.COUNTED_PAIRS", 2)
    monkeypatch.setattr("nmt.text.facts.MOST_BLOCKS", 3)
    source, target = token_facts(words.shards, words.tokenizer).sides
    assert (source.segments, source.tokens, target.tokens) == (6, 6, 8)
    assert source.entropy == pytest.approx(entropy(4, 2, 6))


def test_dev_tokens_are_compared_with_the_training_text(words: Prepared) -> None:
    facts = token_facts(words.shards, words.tokenizer, [Pair("moon cloud", "luna")])
    assert facts.dev is not None
    source, target = facts.dev
    size = len(words.tokenizer)
    assert (source.segments, source.tokens) == (1, 2)
    assert (target.segments, target.tokens) == (1, 1)
    half, everything = 0.5, 24 + size / 2
    seen = [4 + half, half, 12 + half]  # moon, unknown, the end
    surprise = -sum(math.log(count / everything) for count in seen) / 3
    assert source.entropy == pytest.approx(surprise)


def test_rare_characters_do_not_make_a_vocabulary_too_large(tmp_path: Path) -> None:
    letters = [chr(0x4E00 + index) for index in range(60)]
    pairs = [("".join(letters[first : first + 6]), "sun") for first in range(0, 60, 6)]
    made = prepared(tmp_path, pairs, kind="bpe", vocab_size=70)
    (vocabulary,) = token_facts(made.shards, made.tokenizer).vocabularies
    assert (vocabulary.size, vocabulary.rare <= 70 - 60) == (70, True)


def test_likeness_is_the_mean_level_of_pairs_of_tokens() -> None:
    """A pair that occurs 4 times has the level 4: two for each doubling.

    The six tokens of the usual segment, its end counted, have 20 / 6, which is the limit.
    """
    usual = [4, 5, 6, 7, 8]
    found = KnownText.count(hash_pairs(flatten([usual] * 4 + [[9]])), flatten([usual] * 50))
    assert found is not None
    again = KnownText.from_bytes(found.to_bytes(), "it")
    assert again is not None
    swapped, long = [4, 5, 6, 8, 7], usual + [9] * 5
    level = [*again.likeness(flatten([usual, swapped, long, [8, 7, 6, 5], []]))]
    of_long = 20 / 11 / math.sqrt(2) / (20 / 6)
    assert level == pytest.approx([1, 0.6, of_long, math.inf, math.inf])
    for length in range(5, 12):  # a limit that float32 rounds flags nothing of a uniform text
        text = [*range(4, 4 + length)]
        found = KnownText.count(hash_pairs(flatten([text] * 2 + [[99]])), flatten([text]))
        assert found is not None
        assert found.likeness(flatten([text]))[0] >= 1
    content = found.to_bytes()
    for damaged in (content[:-1], bytes(4) + content[4:], b"\xff" * 8 + content[8:]):
        with pytest.raises(DamagedError, match="it is damaged"):  # also limits of 0 and NaN
            KnownText.from_bytes(damaged, "it")
    # Nothing is unlike a text without a frequent pair, and a dev set that is too short, or unlike
    # the text, says nothing.
    for pairs, dev in (([usual], [usual]), ([usual] * 2, [usual[:4]]), ([usual] * 2, [[9] * 5])):
        assert KnownText.count(hash_pairs(flatten(pairs)), flatten(dev)) is None


def test_text_like_the_training_text_is_known(tmp_path: Path) -> None:
    """Neither a tag nor context, which stand before the sources, changes that."""
    codes = []
    for number, data in enumerate((FILES, FILES.replace('de"}', 'de", tag = "<BT>"}'))):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = prepared(folder, CLEAN, data)
        encode = made.tokenizer.source.encode
        found = known_text(made.shards, made.tokenizer, encode([text for text, _ in DEV]))
        assert found is not None
        texts = [text for text, _ in corpus(100, seed=3)]
        likeness = [
            found.likeness(flatten(encode(rows)))
            for rows in (texts, [" ".join(reversed(text.split())) for text in texts])
        ]
        assert (likeness[0] < 1).mean() < 0.1 < (likeness[1] < 1).mean()
        codes.append(len(found.codes))
    assert codes[0] == codes[1]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ids", lambda ids: ids.fill(60_000)),
        ("offsets", lambda offsets: offsets.__setitem__(3, -7)),
    ],
)
def test_numbers_that_no_shard_has_are_damage(
    words: Prepared, name: str, change: Callable[[Any], object]
) -> None:
    """The disk may change a file without changing its size and time."""
    (shard,) = words.shards
    numbers = getattr(shard, name).copy()
    change(numbers)
    broken = replace(shard, **{name: numbers})
    for read in (
        lambda: quick_look([broken], ["x"], words.tokenizer, []),
        lambda: token_facts([broken], words.tokenizer),
    ):
        with pytest.raises(DamagedError, match=r"train-0\.ids is damaged; remove .*nmt prepare"):
            read()
