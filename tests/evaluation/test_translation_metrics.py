"""BLEU's variants: names of their own, and the splitting of compounds."""

import pytest

from nmt.evaluation.translation_metrics import BleuVariant, split_compounds


@pytest.mark.parametrize(
    ("tokens", "split"),
    [
        ("rich-text format", "rich ##AT##-##AT## text format"),
        ("a - b -c d-", "a - b -c d-"),
        ("U-Bahn-Station", "U ##AT##-##AT## Bahn ##AT##-##AT## Station"),
        # As the authors' Perl does it: a letter is taken once, as the end or as the beginning.
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("--- x--y", "- ##AT##-##AT## - x ##AT##-##AT## -y"),
        ("", ""),
    ],
)
def test_a_hyphen_between_characters_is_a_token(tokens: str, split: str) -> None:
    assert split_compounds(tokens) == split


def test_no_variant_has_the_usual_ones_name() -> None:
    variants = [
        BleuVariant(tokenizer, lowercase)
        for tokenizer in ("", "13a", "moses", "paper")
        for lowercase in (False, True)
        if tokenizer or lowercase
    ]
    names = {each.name for each in variants}
    assert len(names) == len(variants)
    assert "BLEU" not in names
