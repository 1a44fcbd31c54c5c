"""Facts of a corpus, and settings that suit any text."""

import random
from collections.abc import Sequence

import pytest

from nmt.config import TokenizerSettings
from nmt.corpora.presets import CorpusFacts, choose_settings
from nmt.corpora.survey import survey
from nmt.errors import NmtError
from nmt.text.corpus import Pair
from nmt.text.learning import learn_subwords
from tests.corpora.corpora import as_pairs


def test_the_facts_of_a_small_text() -> None:
    pairs = as_pairs([("ab cd", "ab ½"), ("", "x"), ("ab", "cde fgh i")])
    facts, hasher = survey(pairs, "a text")
    # 3 and 5 words; 7 and 13 characters; half is 1, 2 and a fraction slash; ab, cd, cde, fgh.
    assert facts == CorpusFacts(2, 5, 15, 13, 13, 4)
    assert (hasher.blank, hasher.overlap) == (1, 0)
    assert hasher.usable.tolist() == [True, False, True]


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

    pairs = [Pair(line(), line()) for _ in range(draw.choice([3, 20, 200, 500]))]
    try:
        facts, _ = survey(pairs, "a text")
    except NmtError:
        pytest.skip("all lines are blank")
    chosen = choose_settings(facts, has_gpu=False)
    settings = TokenizerSettings(
        vocab_size=chosen.value("tokenizer.vocab_size"),
        character_coverage=chosen.value("tokenizer.character_coverage"),
    )
    trained = pairs[: max(1, len(pairs) * 9 // 10)]
    assert len(learn_subwords([side for pair in trained for side in pair], settings))
