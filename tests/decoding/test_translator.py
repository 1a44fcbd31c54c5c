"""Translations are one for one and do not depend on how they are batched."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch

from nmt.artifacts.model_file import TrainedModel, load_model
from nmt.decoding.segments import split_long
from nmt.decoding.translator import Translation, Translator
from nmt.text.plan import batches_by_length
from nmt.text.tokenizer import SubwordModel
from tests.conftest import WORDS

SEGMENTS = [" ".join(WORDS[i % 10] for i in range(n)) for n in (3, 1, 7, 0, 12, 2, 5, 1, 30)]


@pytest.fixture
def trained(tiny_run: Path) -> TrainedModel:
    """The tiny model."""
    return load_model(tiny_run, torch.device("cpu"))


def translate(model: TrainedModel, segments: list[str], **settings: Any) -> list[Translation]:
    """With some decode settings changed, quietly."""
    changed = replace(model.recipe.decode, **settings)
    return list(Translator.of(model, changed, lambda _: None, n_best=2).translate(segments))


def test_order_and_chunks_change_nothing(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = [each.text for each in translate(trained, SEGMENTS)]
    backward = [each.text for each in translate(trained, SEGMENTS[::-1])]
    assert backward[::-1] == forward
    for module in ("translator", "stream"):
        monkeypatch.setattr(f"nmt.decoding.{module}.CHUNK_SEGMENTS", 2)
    assert [each.text for each in translate(trained, SEGMENTS)] == forward


def test_of_an_endless_stream_little_is_read_ahead(trained: TrainedModel) -> None:
    """At most a chunk of 2,000 segments, whatever is still to come."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            yield "" if read % 1000 else "sun"
            read += 1

    translator = Translator.of(trained, trained.recipe.decode, lambda _: None)
    for given, found in enumerate(islice(translator.translate(endless()), 7000)):
        assert (found.candidates[0].log_prob == 0) == bool(given % 1000)
        assert read - given <= 2000


def test_weights_are_not_kept_twice(tiny_run: Path) -> None:
    """A translator lays them out anew: the layers it had them from may go."""
    model = load_model(tiny_run, torch.device("cpu"))
    translator = Translator.of(model, model.recipe.decode, lambda _: None)
    layers = [ref(layer) for layer in (*model.network.encoder, *model.network.decoder)]
    del model
    gc.collect()
    assert [each() for each in layers] == [None] * len(layers)
    assert next(translator.translate(["sun"])).candidates


def test_blank_stays_blank_without_the_model(trained: TrainedModel) -> None:
    texts = [each.text for each in translate(trained, ["", "  ", "\t", "\u3000"])]
    assert texts == ["", "", "", ""]


def test_output_is_bounded_by_input_and_extra_tokens(trained: TrainedModel) -> None:
    """At most input + max_extra_tokens, the input counted without its EOS, the output with it."""
    ids = trained.tokenizer.source.encode(["sun"])[0]
    translator = Translator.of(
        trained, replace(trained.recipe.decode, max_extra_tokens=1), lambda _: None
    )
    assert len(translator._search([ids])[0][0].ids) + 1 <= len(ids) + 1


def test_a_long_segment_is_told_and_rejoined(trained: TrainedModel) -> None:
    told: list[str] = []
    settings = replace(trained.recipe.decode, max_segment_tokens=12)
    segments = ["sun", " ".join(["moon star"] * 30)]
    found = list(Translator.of(trained, settings, told.append).translate(segments))
    assert len(found) == 2
    assert len(told) == 1
    assert told[0].startswith("line 2: ")
    assert "pieces" in told[0]


@pytest.mark.parametrize("limit", [2, 7, 40, 1000])
def test_splitting_loses_no_id_and_keeps_the_limit(trained: TrainedModel, limit: int) -> None:
    ids = trained.tokenizer.source.encode([" ".join(WORDS * 5) + "x" * 50])[0]
    pieces = split_long(ids, limit, trained.tokenizer.source)
    assert [each for piece in pieces for each in piece] == ids
    assert all(0 < len(piece) <= limit for piece in pieces)


class Spelled(SubwordModel):
    """A tokenizer whose ids are their own pieces' places in a list."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    def piece(self, piece_id: int) -> str:
        return self._pieces[piece_id]


@pytest.mark.parametrize(
    ("pieces", "limit", "lengths"),
    [
        (["\u2581a", ".", "\u2581b", "c", "\u2581d"], 4, [2, 3]),  # after the last sentence's end
        (["\u2581a", "b", "\u2581c", "d", "\u2581e"], 4, [4, 1]),  # before the last word that fits
        (["\u2581a", "b", "\u2581c", "d", "e"], 4, [2, 3]),  # not inside a word
        (["\u2581a", "b", "c", "d", "e"], 4, [4, 1]),  # a word longer than a piece
        (["\u2581a", '!"', "\u2581b", "\u2581c", "\u2581d"], 4, [2, 3]),  # closing quote
    ],
)
def test_where_it_is_cut(pieces: list[str], limit: int, lengths: list[int]) -> None:
    tokenizer = Spelled(pieces)
    cut = split_long(list(range(len(pieces))), limit, tokenizer)
    assert [len(each) for each in cut] == lengths


def test_batches_by_length_by_hand() -> None:
    """Budget 10: 9 alone; 5 with 4 (2 * 5); then 3 and 2 and 2 (3 * 3)."""
    lengths = [2, 9, 3, 5, 4, 2]
    batches = [[lengths[i] for i in batch] for batch in batches_by_length(lengths, 10)]
    assert batches == [[9], [5, 4], [3, 2, 2]]
    assert sorted(i for batch in batches_by_length(lengths, 1) for i in batch) == [*range(6)]
