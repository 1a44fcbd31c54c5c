"""Look at a corpus and hold out dev and test sets."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from nmt.config import TokenizerSettings
from nmt.errors import NmtError
from nmt.recipe.choice import CorpusFacts, choose_settings
from nmt.text.held_out import MOST_HELD_OUT, SmallestHashes, divided, source_hash, survey
from nmt.text.languages import is_language, language_of, languages_of_tsv
from nmt.text.tokenizer import learn_subwords


def test_the_facts_of_a_small_text() -> None:
    pairs = [("ab cd", "ab ½"), ("", "x"), ("ab", "cde fgh i")]
    found = survey(pairs)
    # 3 and 5 words; 7 and 13 characters; half is 1, 2 and a fraction slash; ab, cd, cde, fgh.
    assert found.facts == CorpusFacts(2, 5, 15, 13, 13, 4)
    assert (found.blank, found.overlap, found.distinct_sources) == (1, 0, 2)


def test_case_and_spaces_make_no_other_source() -> None:
    assert source_hash("The  dog ") == source_hash("the dog")
    assert source_hash("the dog") != source_hash("the dogs")


def test_the_smallest_numbers_of_a_stream_are_kept_once() -> None:
    draw = random.Random(1)
    numbers = [draw.randrange(500) for _ in range(2000)]
    kept = SmallestHashes(30)
    for number in numbers:
        kept.add(number)
    assert list(kept.ordered()) == sorted(set(numbers))[:30]


def test_many_sources_are_counted_from_the_smallest_hashes() -> None:
    found = survey([(f"{n // 2} a", "b") for n in range(60_000)])
    assert found.facts.pairs == 60_000
    assert found.distinct_sources == pytest.approx(30_000, rel=0.1)
    division = found.divide(dev=True, test=True)
    assert (len(division.dev), len(division.test)) == (MOST_HELD_OUT, MOST_HELD_OUT)
    assert not division.dev & division.test


def test_only_the_sets_that_are_wanted_are_held_out() -> None:
    pairs = [(f"{n}", "x") for n in range(100)]
    found = survey(pairs)
    division = found.divide(dev=False, test=True)
    assert (len(division.dev), len(division.test)) == (0, 5)
    names = [name for name, _ in divided(pairs, division)]
    assert (names.count("train"), names.count("test"), len(names)) == (95, 5, 100)
    with pytest.raises(NmtError, match="2 different source segments, too few"):
        survey(pairs[:2]).divide(dev=True, test=True)


ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзийклмнопрстуфхцчшщ",
    "".join(map(chr, range(0x4E00, 0x5E00))),
    "0123456789",
    "नमस्तेदुनियाकखगघचछज",
    "aàáâäåãbcçdeéèêë\u0300\u0301",
    ".,!?;:'\"-()",
    "ﬁ①½Å\u00a0\u3000ｱｲｳ",
    "😀😁😂🤣",
    "ไทยภาษากขค",
]


def words(draw: random.Random, alphabets: Sequence[str]) -> list[str]:
    lengths = [
        draw.randint(1, draw.choice([2, 6, 20])) for _ in range(draw.choice([1, 3, 30, 300]))
    ]
    return ["".join(draw.choices(draw.choice(alphabets), k=length)) for length in lengths]


@pytest.mark.parametrize("seed", range(60))
def test_a_vocabulary_can_be_learned_from_any_text(seed: int) -> None:
    """The part that is trained on has a tenth less text than the part that was looked at."""
    draw = random.Random(seed)
    known = words(draw, draw.sample(ALPHABETS, draw.randint(1, 3)))

    def line() -> str:
        space = draw.choice([" ", " ", "", "  "])
        return space.join(draw.choice(known) for _ in range(draw.randint(1, 8)))

    pairs = [(line(), line()) for _ in range(draw.choice([3, 20, 200, 500]))]
    facts = survey(pairs).facts
    if not facts.pairs:
        pytest.skip("all lines are blank")
    chosen = choose_settings(facts, has_gpu=False)
    settings = TokenizerSettings(
        vocab_size=chosen.value("tokenizer.vocab_size"),
        character_coverage=chosen.value("tokenizer.character_coverage"),
    )
    trained = pairs[: max(1, len(pairs) * 9 // 10)]
    assert len(learn_subwords([side for pair in trained for side in pair], settings))


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("train.de", "de"),
        ("train.de.gz", "de"),
        ("a.en.txt.xz", "en"),
        ("news.zh-Hans", "zh"),
        ("no", "no"),
        ("train.src", ""),
        ("train.tok", ""),
        ("train.qq", ""),
        ("train.DE", ""),
        ("train", ""),
        (".gz", ""),
    ],
)
def test_a_language_is_the_ending_of_a_name(name: str, language: str) -> None:
    assert language_of(Path(name)) == language


def test_a_tsv_file_names_two_languages() -> None:
    assert languages_of_tsv(Path("x/pairs.en-de.tsv.gz")) == ("en", "de")
    assert languages_of_tsv(Path("nl_fr.txt")) == ("nl", "fr")
    for name in ("pairs.tsv", "pairs.en-xx.tsv", "ten-der.tsv", "a-b.tsv"):
        assert languages_of_tsv(Path(name)) == ("", "")


def test_codes() -> None:
    assert all(map(is_language, ("de", "deu", "gsw")))
    assert not any(map(is_language, ("", "d", "qq", "DE", "germ", "d1", "de\n", "de-AT")))
