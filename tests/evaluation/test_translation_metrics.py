"""Variants of BLEU: their names, and the splitting of compounds."""

import pytest

from nmt.evaluation.translation_metrics import BleuVariant, split_compounds


@pytest.mark.parametrize(
    ("tokens", "split"),
    [
        ("rich-text format", "rich ##AT##-##AT## text format"),
        ("a - b -c d-", "a - b -c d-"),
        ("U-Bahn-Station", "U ##AT##-##AT## Bahn ##AT##-##AT## Station"),
        # As in the authors' Perl script: each letter belongs to one match only.
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("--- x--y", "- ##AT##-##AT## - x ##AT##-##AT## -y"),
        ("", ""),
    ],
)
def test_hyphens_within_words_become_tokens(tokens: str, split: str) -> None:
    assert split_compounds(tokens) == split


def test_each_variant_has_its_own_name() -> None:
    variants = [
        BleuVariant(tokenizer, lowercase)
        for tokenizer in ("", "13a", "moses", "paper")
        for lowercase in (False, True)
        if tokenizer or lowercase
    ]
    names = {each.name for each in variants}
    assert len(names) == len(variants)
    assert "BLEU" not in names
