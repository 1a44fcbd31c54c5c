"""The tag of a corpus is one token before each of its sources, which no text contains."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy
import pytest

from nmt.config import DataSettings, TextFiles, TokenizerSettings
from nmt.decoding.search.rules import special_ids
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from nmt.recipe.rules import check_together
from nmt.text.alignment import open_alignments
from nmt.text.bpe_dropout import BpeDropout
from nmt.text.encode import VERDICTS, encode_pairs, judge
from nmt.text.learning import learn_subwords
from nmt.text.manifest import Manifest, hash_of, sha256
from nmt.text.shards import FlatSegments
from nmt.text.tokenizer import Tokenizer
from tests.conftest import WORDS
from tests.text.conftest import TinyCorpus, pairs_of, random_pairs

TAG = "<BT>"
SYNTHETIC = TextFiles(source="dev.src", target="dev.tgt", tag=TAG)
KINDS = [("bpe", True), ("bpe", False), ("char", True), ("word", False)]


def with_tag(corpus: TinyCorpus) -> tuple[TextFiles, ...]:
    """Return the training corpora of a tiny corpus and a tagged one."""
    return (*corpus.recipe.data.train, SYNTHETIC)


@pytest.mark.parametrize(("kind", "joint"), KINDS)
def test_the_tag_is_one_token_before_each_source(
    corpus: TinyCorpus, kind: str, joint: bool
) -> None:
    corpus.change(kind=kind, joint=joint)
    prepared = corpus.prepare(train=with_tag(corpus))
    source, target = prepared.tokenizer.sides
    tag = source.tag_id(TAG)
    assert tag is not None
    assert (target.tag_id(TAG) is None) == (not joint)
    plain, tagged = map(pairs_of, prepared.shards)
    assert not any(tag in ids for ids, _ in plain)
    assert not any(tag in ids for _, ids in (*plain, *tagged) if joint)
    lines = (corpus.data.path / "dev.src").read_text().splitlines()
    assert [ids for ids, _ in tagged] == [[tag, *ids] for ids in source.encode(lines)]
    assert corpus.notes[-1].startswith("dev.src + dev.tgt with the tag <BT>: 10 pairs kept")


@pytest.mark.parametrize(("kind", "joint"), KINDS)
def test_no_text_becomes_the_tag_and_no_output_has_it(
    corpus: TinyCorpus, kind: str, joint: bool
) -> None:
    """The tag's letters are tokens, so that its spelling is known."""
    spelled = corpus.data.path / "dev.src"
    spelled.write_text(spelled.read_text().replace("\n", f" {TAG} < B T >\n"))
    corpus.change(kind=kind, joint=joint, vocab_size=60)
    tokenizer = corpus.prepare(train=with_tag(corpus)).tokenizer
    tag = tokenizer.source.tag_id(TAG)
    assert tag is not None
    for text in (TAG, f"sun {TAG}", f"{TAG} sun", "<BT>sun"):
        assert tag not in tokenizer.source.encode([text])[0]
    assert tokenizer.source.decode([tag, *tokenizer.source.encode(["sun moon"])[0]]) == "sun moon"
    assert not joint or tag in special_ids(tokenizer).never


def test_without_a_tag_the_keys_are_those_of_older_versions(corpus: TinyCorpus) -> None:
    prepared = corpus.prepare()
    assert prepared.tokenizer.source.tag_ids() == []
    texts = [sha256((corpus.data.path / name).read_bytes()) for name in ("train.src", "train.tgt")]
    manifest = Manifest(corpus.run.prepared / "manifest.json")
    learned = hash_of(hash_of([texts]), asdict(corpus.recipe.tokenizer))
    assert manifest.key("tokenizer") == learned
    limits = [corpus.recipe.data.max_length, corpus.recipe.data.max_ratio]
    encoded = hash_of(sha256(prepared.tokenizer.model), texts, limits)
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
    with pytest.raises(NmtError, match=r"has the tag <BT>, which the vocabulary of the initial"):
        corpus.prepare(without.model, train=with_tag(corpus))
    prepared = corpus.prepare(tagged.model, train=with_tag(corpus))
    assert pairs_of(prepared.shards[1])[0][0][0] == tagged.source.tag_id(TAG)


def test_the_tag_counts_for_the_greatest_length_alone() -> None:
    limits = DataSettings(max_length=4, max_ratio=2)
    lengths = numpy.array([[0, 3, 4, 1, 2], [2, 3, 4, 2, 4]])
    kept = [VERDICTS[each] for each in judge(lengths, limits)]
    assert kept == ["empty", "kept", "kept", "kept", "kept"]
    tagged = [VERDICTS[each] for each in judge(lengths, limits, opening=1)]
    assert tagged == ["empty", "kept", "too_long", "kept", "kept"]


def test_processes_encode_tags_as_one_does(small_chunks: None) -> None:
    words = [" ".join(WORDS), " ".join(WORDS).upper()]
    tokenizer = Tokenizer(learn_subwords(words, TokenizerSettings(45), tags=(TAG,)).model)
    pairs, limits = random_pairs(40), DataSettings(max_length=12, max_ratio=2.5)
    several = [*encode_pairs(pairs, tokenizer, limits, TAG)]
    (alone,) = encode_pairs(pairs[:7], tokenizer, limits, TAG)
    assert len(several) == 6
    assert several[0].pairs.ids.tolist() == alone.pairs.ids.tolist()
    assert sum(each.counts["kept"] for each in several) > 0


def test_bpe_dropout_keeps_the_tag_whole() -> None:
    text = [f"{TAG} < B T > {' '.join(WORDS)}"]
    subwords = learn_subwords(text, TokenizerSettings(45), tags=(TAG,))
    tag = subwords.tag_id(TAG)
    assert tag is not None
    dropout = BpeDropout(subwords, 0.5, seed=1)
    ids = [tag, *subwords.encode(["sun moon star"])[0]]
    segments = FlatSegments(numpy.array(ids), numpy.array([len(ids)]))
    drawn = [dropout.resegment(segments, numpy.array([0]), epoch).ids for epoch in range(20)]
    assert {each[0] for each in drawn} == {tag}
    assert {subwords.decode(each.tolist()) for each in drawn} == {"sun moon star"}
    assert len({tuple(each) for each in drawn}) > 1


def test_a_tag_is_aligned_to_nothing(corpus: TinyCorpus) -> None:
    """The links of a tagged corpus are those of the corpus without its tag, one place later."""
    corpus.recipe = replace(
        corpus.recipe, train=replace(corpus.recipe.train, guided_alignment=0.05)
    )
    (own,) = corpus.recipe.data.train
    prepared = corpus.prepare(train=(own, replace(own, tag=TAG)))
    names = ["train-0", "train-1"]
    plain, tagged = map(pairs_of, open_alignments(corpus.run.prepared, names, prepared.shards))
    assert any(any(places) for _, places in plain)
    for (_, places), (source, shifted) in zip(plain, tagged, strict=True):
        assert not any(source)
        assert [each + (each > 0) for each in places] == shifted


@pytest.mark.parametrize(
    "tag", ["BT", "<B T>", "<>", "<s>", "<unk>", "<0x0A>", f"<{'x' * 41}>", "<\x1b>"]
)
def test_a_tag_has_angle_brackets(tiny: Path, tag: str) -> None:
    recipe = load_recipe(str(tiny))
    train = (replace(recipe.data.train[0], tag=tag),)
    with pytest.raises(NmtError, match="a tag is a name in angle brackets without spaces"):
        check_together(replace(recipe, data=replace(recipe.data, train=train)))


@pytest.mark.parametrize("name", ["dev", "test"])
def test_dev_and_test_sets_have_no_tag(tiny: Path, name: str) -> None:
    recipe = load_recipe(str(tiny))
    if name == "dev":
        data = replace(recipe.data, dev=(SYNTHETIC,))
    else:
        data = replace(recipe.data, test={"tiny": SYNTHETIC})
    with pytest.raises(NmtError, match=r"'dev\.src' has the tag '<BT>', but it is no training"):
        check_together(replace(recipe, data=data))


def test_characters_that_spell_a_tag_are_unknown_like_others() -> None:
    text = ["sonne mond stern"] * 3
    subwords = learn_subwords(text, TokenizerSettings(vocab_size=20), tags=["<XY>"])
    assert subwords.tag_id("<XY>") is not None
    assert subwords.unknown("sonne <XY> mond") == ["<", "X", "Y", ">"]
