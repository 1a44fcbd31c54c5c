"""Describe the sets that a recipe divides a corpus into."""

import pytest

from nmt.corpora.first_recipe import sets_words


@pytest.mark.parametrize(
    ("repeated", "left_out"),
    [
        (0, "no two sets share a near duplicate"),
        (1, "1 pair is left out as a near duplicate of a pair in another set"),
        (1289, "1,289 pairs are left out as near duplicates of pairs in other sets"),
    ],
)
def test_pairs_that_are_left_out_are_counted(repeated: int, left_out: str) -> None:
    told = sets_words({"train": 2000, "dev": 10}, repeated, is_clean=True)
    assert told == f"2,000 train, 10 dev pairs; {left_out}"
