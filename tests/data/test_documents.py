"""The documents: a pronoun has the gender of the noun before, and nothing else tells it."""

import gzip
import re
from collections import Counter, defaultdict
from itertools import permutations

from data.pocket.__main__ import SEED
from data.pocket.corpus import Row
from data.pocket.documents import GENDERS, PLACES, ROLES, TEST, TRAIN, build_documents
from data.pocket.lexicon import FOLDER, load_lexicon

PRONOUNS = {"er": "masculine", "ihn": "masculine", "sie": "feminine", "es": "neuter"}
SPLITS = {name: [each.rows for each in part] for name, part in build_documents(SEED).items()}


def lines(name: str) -> list[str]:
    """Return the lines of a committed file."""
    data = (FOLDER / "documents" / name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()


def words(line: str) -> list[str]:
    return line.rstrip(".").lower().split()


def pronouns(documents: list[list[Row]]) -> list[tuple[str, str, str, str]]:
    """Return, of each document, the sentence before, the English, the pronoun and the wrong one."""
    found = []
    for rows in documents:
        assert [bool(row.english) for row in rows] == [True, True, True, False]
        (place,) = (place for place, row in enumerate(rows) if row.labels)
        row = rows[place]
        (pair,) = {*zip(words(row.german), words(row.contrast), strict=True)} - {
            (word, word) for word in words(row.german)
        }
        assert row.labels.split()[0] == PRONOUNS[pair[0]]
        found.append((rows[place - 1].german, row.english, *pair))
    return found


def test_equal_seeds_give_the_committed_lines() -> None:
    for name, documents in SPLITS.items():
        rows = [row for document in documents for row in document]
        ending = ".gz" if name == "train" else ""
        assert lines(f"{name}.en{ending}") == [row.english for row in rows]
        assert lines(f"{name}.de{ending}") == [row.german for row in rows]
    assert lines("test.contrast.de") == [row.contrast for row in rows]
    assert lines("test.labels") == [row.labels for row in rows]


def test_the_pronoun_has_the_gender_of_the_noun_before() -> None:
    things = [noun for noun in load_lexicon().nouns if not noun.animate]
    genders = {noun.german: GENDERS[noun.gender] for noun in things}
    for before, _, right, _ in pronouns(SPLITS["test"]):
        found = re.sub(r"um \w+ Uhr", "", before).rstrip(".").split()
        assert [genders[word] for word in found if word in genders] == [PRONOUNS[right]], before


def test_without_the_sentence_before_no_gender_is_more_likely() -> None:
    for name, size in (("train", TRAIN), ("test", TEST)):
        found = pronouns(SPLITS[name])
        assert len(found) == len(GENDERS) * len(ROLES) * len(PLACES) * size
        assert len({part[:2] for part in found}) == len(found)
        by_english = defaultdict[str, Counter[str]](Counter)
        for _, english, right, _ in found:
            by_english[english][PRONOUNS[right]] += 1
        assert all(
            len(counts) == 3 and len({*counts.values()}) == 1 for counts in by_english.values()
        )
        for order in permutations(GENDERS.values()):  # a guess that always prefers one to another
            wins = [order.index(PRONOUNS[r]) < order.index(PRONOUNS[w]) for _, _, r, w in found]
            assert sum(wins) == len(wins) / 2


def test_no_document_of_the_test_is_in_the_training_text() -> None:
    train, test = ({part[:2] for part in pronouns(SPLITS[name])} for name in ("train", "test"))
    assert train.isdisjoint(test)
