"""The tag of a corpus is one token before each of its sources, which no text contains."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import TextFiles, TokenizerSettings
from nmt.decoding.search.rules import special_ids
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.recipe.rules import check_together
from nmt.text.alignment import open_alignments
from nmt.text.manifest import Manifest, hash_values, sha256
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import Tokenizer
from tests.conftest import WORDS
from tests.text.conftest import TinyCorpus, read_pairs

TAG = "<BT>"
SYNTHETIC = TextFiles(source="dev.src", target="dev.tgt", tag=TAG)
KINDS = [("bpe", True), ("bpe", False), ("char", True), ("word", False)]


def with_tag(corpus: TinyCorpus) -> tuple[TextFiles, ...]:
    return (*corpus.recipe.data.train, SYNTHETIC)


@pytest.mark.parametrize(("kind", "joint"), KINDS)
def test_the_tag_is_one_token_before_each_source_and_nowhere_else(
    corpus: TinyCorpus, kind: str, joint: bool
) -> None:
    """The tag's letters are tokens, so that its spelling is known."""
    spelled = corpus.data.path / "dev.src"
    spelled.write_text(spelled.read_text().replace("\n", f" {TAG} < B T >\n"))
    corpus.change(kind=kind, joint=joint, vocab_size=60)
    prepared = corpus.prepare(train=with_tag(corpus))
    source, target = prepared.tokenizer.sides
    tag = source.tag_id(TAG)
    assert tag is not None
    assert (target.tag_id(TAG) is None) == (not joint)
    plain, tagged = map(read_pairs, prepared.shards)
    assert not any(tag in ids for ids, _ in plain)
    assert not any(tag in ids for _, ids in (*plain, *tagged) if joint)
    lines = spelled.read_text().splitlines()
    assert [ids for ids, _ in tagged] == [[tag, *ids] for ids in source.encode(lines)]
    assert corpus.notes[-1].startswith("dev.src + dev.tgt with the tag <BT>: 10 pairs kept")
    # No text becomes the tag, and no output has it.
    for text in (TAG, f"sun {TAG}", f"{TAG} sun", "<BT>sun"):
        assert tag not in source.encode([text])[0]
    assert source.decode([tag, *source.encode(["sun moon"])[0]]) == "sun moon"
    assert not joint or tag in special_ids(prepared.tokenizer).never


def test_without_a_tag_the_keys_are_those_of_older_versions(corpus: TinyCorpus) -> None:
    prepared = corpus.prepare()
    assert prepared.tokenizer.source.tag_ids() == []
    texts = [sha256((corpus.data.path / name).read_bytes()) for name in ("train.src", "train.tgt")]
    manifest = Manifest(corpus.run.prepared_folder())
    learned = hash_values(hash_values([texts]), asdict(corpus.recipe.tokenizer))
    assert manifest.key("tokenizer") == learned
    limits = [corpus.recipe.data.max_length, corpus.recipe.data.max_ratio]
    encoded = hash_values(sha256(prepared.tokenizer.model), texts, limits)
    assert manifest.key("train-0") == encoded


def test_another_tag_prepares_again(corpus: TinyCorpus) -> None:
    first = corpus.prepare(train=with_tag(corpus))
    other = (*corpus.recipe.data.train, replace(SYNTHETIC, tag="<ST>"))
    second = corpus.prepare(train=other)
    assert second.fingerprint != first.fingerprint
    assert second.tokenizer.source.tag_id(TAG) is None
    assert second.tokenizer.source.tag_id("<ST>") is not None
    swapped = (replace(corpus.recipe.data.train[0], tag="<ST>"), replace(SYNTHETIC, tag="<ST>"))
    third = corpus.prepare(train=swapped)
    assert third.tokenizer.model == second.tokenizer.model
    assert third.fingerprint != second.fingerprint


def test_a_given_vocabulary_needs_the_tag(corpus: TinyCorpus) -> None:
    without = Tokenizer(learn_subwords(WORDS, TokenizerSettings(30)).model)
    tagged = Tokenizer(learn_subwords(WORDS, TokenizerSettings(30), tags=(TAG,)).model)
    with pytest.raises(NmtError, match=r"has the token <BT>, which the vocabulary of the in"):
        corpus.prepare(without.model, train=with_tag(corpus))
    prepared = corpus.prepare(tagged.model, train=with_tag(corpus))
    assert read_pairs(prepared.shards[1])[0][0][0] == tagged.source.tag_id(TAG)


def test_an_opening_is_aligned_to_nothing(corpus: TinyCorpus) -> None:
    """The links of a tagged corpus are those of the corpus without its tag, one position later.

    Both begin with the token of their language, too.
    """
    corpus.recipe = replace(
        corpus.recipe, train=replace(corpus.recipe.train, guided_alignment=0.05)
    )
    (own,) = corpus.recipe.data.train
    french = replace(own, target_language="fr")
    prepared = corpus.prepare(train=(own, replace(own, tag=TAG), french))
    names = ["train-0", "train-1", "train-2"]
    plain, tagged, _ = map(read_pairs, open_alignments(corpus.run.prepared, names, prepared.shards))
    assert any(any(positions) for _, positions in plain)
    for (_, positions), (source, shifted) in zip(plain, tagged, strict=True):
        assert not any(source)
        assert [position + (position > 0) for position in positions] == shifted


@pytest.mark.parametrize(
    ("data", "message"),
    [
        *[
            ({"train": (replace(SYNTHETIC, tag=tag),)}, "a tag is a name in angle brackets without")
            for tag in ("BT", "<B T>", "<>", "<s>", "<unk>", "<0x0A>", f"<{'x' * 41}>", "<\x1b>")
        ],
        (
            {"train": (replace(SYNTHETIC, target_language="d e"), SYNTHETIC)},
            "the target language 'd e', but a language is a code such as de or deu",
        ),
        (
            {"dev": (replace(SYNTHETIC, tag="", target_language="deu"),)},
            r"'dev\.src' has the target language 'deu', but the training text has de; correct its",
        ),
        ({"train": (replace(SYNTHETIC, tag="<sep>"),), "context": 1}, "the tag <sep> is the sep"),
        ({"dev": (SYNTHETIC,)}, r"'dev\.src' has the tag '<BT>', but it is no training"),
        ({"test": {"tiny": SYNTHETIC}}, r"'dev\.src' has the tag '<BT>', but it is no training"),
    ],
)
def test_tokens_that_are_refused(tiny: Path, data: dict[str, Any], message: str) -> None:
    recipe = load_recipe(str(tiny))
    with pytest.raises(NmtError, match=message):
        check_together(replace(recipe, data=replace(recipe.data, **data)))


def test_characters_that_spell_a_tag_are_unknown_like_others() -> None:
    text = ["sonne mond stern"] * 3
    subwords = learn_subwords(text, TokenizerSettings(vocab_size=20), tags=["<XY>"])
    assert subwords.tag_id("<XY>") is not None
    assert subwords.unknown("sonne <XY> mond") == ["<", "X", "Y", ">"]
