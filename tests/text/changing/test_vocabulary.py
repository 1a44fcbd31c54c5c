"""The vocabulary of a training that changes pairs can write what the changes make."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.recipe import check_together, knows_marks, load_recipe, with_settings
from nmt.text.changing.mark_forms import MARK_CHARACTERS
from nmt.text.manifest import Manifest
from tests.text.conftest import TinyCorpus

MARKS = '%(name)s {count} {{x}} ${x} &amp; <a id="3">https://a.org/~b?c=d</a> a_b@c.net'


def changing(corpus: TinyCorpus, **shares: float) -> None:
    """Change settings train.augment_* of a tiny corpus's recipe."""
    settings = {f"train.augment_{way}": share for way, share in shares.items()}
    corpus.recipe = with_settings(corpus.recipe, settings)


@pytest.mark.parametrize("kind", ["bpe", "char"])
@pytest.mark.parametrize("joint", [True, False], ids=["joint", "two"])
@pytest.mark.parametrize("way", ["placeholders", "tags"])
def test_marks_can_be_written(corpus: TinyCorpus, kind: str, joint: bool, way: str) -> None:
    changing(corpus, **{way: 0.01})
    corpus.change(vocab_size=150, kind=kind, joint=joint)
    prepared = corpus.prepare()
    for side in prepared.tokenizer.sides:
        assert side.unknown(MARK_CHARACTERS) == []
        assert side.decode(side.encode([MARKS])[0]) == MARKS


def test_upper_case_is_learned_from_the_text(corpus: TinyCorpus) -> None:
    changing(corpus, upper_case=0.5)
    corpus.change(vocab_size=70)
    side = corpus.prepare().tokenizer.source
    assert side.unknown("SUN MOON") == []
    assert len(side.encode(["SUN MOON"])[0]) < 8


def test_other_changes_need_another_vocabulary_but_typos_do_not(corpus: TinyCorpus) -> None:
    corpus.change(vocab_size=150)

    def key(**shares: float) -> str:
        kept, corpus.recipe = corpus.recipe, corpus.recipe
        changing(corpus, **shares)
        corpus.prepare()
        corpus.recipe = kept
        return Manifest(corpus.run.prepared / "manifest.json").key("tokenizer")

    plain = key()
    assert key(typos=0.5) == plain
    found = {plain, key(tags=0.1), key(tags=0.2), key(placeholders=0.1)}
    assert len(found) == 4
    assert key() == plain


def test_links_are_made_for_marks_alone(corpus: TinyCorpus) -> None:
    corpus.change(vocab_size=150)
    changing(corpus, upper_case=0.5, typos=0.5)
    assert corpus.prepare().alignments == ()
    changing(corpus, tags=0.1)
    assert len(corpus.prepare().alignments) == 1
    assert (corpus.run.prepared / "train-0.alignment").is_file()


def test_a_recipe_tells_what_its_model_knows(tiny: Path) -> None:
    recipe = load_recipe(str(tiny))
    assert not knows_marks(recipe)
    for way, knows in (("typos", False), ("upper_case", False), ("tags", True)):
        train = replace(recipe.train, **{f"augment_{way}": 0.1})  # type: ignore[arg-type]
        assert knows_marks(replace(recipe, train=train)) == knows


def test_a_vocabulary_of_words_is_refused(tiny: Path) -> None:
    settings = {"tokenizer.kind": "word", "train.augment_typos": 0.1}
    recipe = with_settings(load_recipe(str(tiny)), settings)
    with pytest.raises(NmtError, match=r"train.augment_\* change letters of words"):
        check_together(recipe)
