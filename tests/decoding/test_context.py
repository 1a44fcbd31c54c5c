"""A model trained in context reads the segments before, and its own outputs of them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from nmt.config import SEPARATOR, TokenizerSettings
from nmt.decoding.files.output_formats import choose_format
from nmt.decoding.files.resumable import Resumption, Task
from nmt.decoding.files.score import Scorer, TextPair
from nmt.decoding.files.translate_file import translate_file
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.context import Before, Context, choose_context
from nmt.decoding.translator.segments import LineNotes, SegmentLimit, SubSegment
from nmt.decoding.translator.translation import OutputOptions, Request, Translation
from nmt.decoding.translator.translator import ONE_TEXT, Translator
from nmt.errors import NmtError, UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.text.reading.lines import STDIN, FirstSegment
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import Tokenizer
from tests.commands.conftest import give_stdin
from tests.conftest import WORDS
from tests.decoding.conftest import assert_alike
from tests.interop.models import random_model

Capture: TypeAlias = pytest.CaptureFixture[str]
SIZE = 2
TEXTS = ["sun moon", "star", " ", "moon", "rain 12", "12", "wind tree leaf", "sun", "", ""]
TEXTS += ["root", FirstSegment("leaf")]  # whose file has ids of documents
DOCUMENTS = [[0, 1], [3, 4, 5, 6, 7], [10], [11]]  # their lines


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """Return a model of random weights, with the separator in its vocabulary."""
    text = [" ".join(WORDS), " ".join(WORDS).upper()]
    subwords = learn_subwords(text, TokenizerSettings(46), tags=(SEPARATOR,))
    return in_context(random_model(Tokenizer(subwords.model), {"decode.max_extra_tokens": 1}))


def in_context(model: TrainedModel, context: int = SIZE) -> TrainedModel:
    recipe = model.recipe
    return replace(model, recipe=replace(recipe, data=replace(recipe.data, context=context)))


def make_translator(
    model: TrainedModel, options: OutputOptions = ONE_TEXT, **changes: Any
) -> Translator:
    return Translator(model, replace(model.recipe.decode, **changes), told.append, options)


told: list[str] = []


def search_by_hand(translator: Translator, texts: Sequence[str]) -> list[Hypothesis]:
    """Search the segments of a document one by one."""
    encode, end = translator.tokenizer.source.encode, translator.tokenizer.source.tag_id(SEPARATOR)
    assert end is not None
    found: list[Hypothesis] = []
    for index, ids in enumerate(encode(texts)):
        first = max(0, index - SIZE)
        sources = chain.from_iterable((*own, end) for own in encode(texts[first:index]))
        targets = chain.from_iterable((*own.ids, end) for own in found[first:])
        part = SubSegment(ids, context=(*sources,), target_context=(*targets,))
        ((best, *_),) = translator.searcher.search([part])
        found.append(best)
    return found


@pytest.mark.parametrize("changes", [{}, {"method": "sample"}, {"beam_size": 1}])
def test_documents_are_translated_side_by_side(
    model: TrainedModel, changes: dict[str, Any]
) -> None:
    """Each segment goes on after the outputs before; a blank line ends a document."""
    translator = make_translator(model, OutputOptions(token_scores=True), **changes)
    found = [*translator.translate(TEXTS)]
    for lines in DOCUMENTS:
        read = [line for line in lines if TEXTS[line] != "12"]  # which is copied
        by_hand = search_by_hand(translator, [TEXTS[line].replace(" 12", "") for line in read])
        for line, expected in zip(read, by_hand, strict=True):
            (own,) = found[line].candidates
            assert own.log_prob == pytest.approx(expected.log_prob, abs=2e-5)
            assert own.length == len(expected.ids) + 1 == len(own.tokens)
            assert own.log_prob == pytest.approx(
                sum(token.log_prob for token in own.tokens), abs=1e-4
            )
            assert SEPARATOR not in {token.piece for token in own.tokens}
    assert [found[line].text for line in (2, 5, 8, 9)] == ["", "12", "", ""]


def test_chunks_do_not_matter(model: TrainedModel) -> None:
    translator = make_translator(model)
    chunks = [[Request(text)] for text in TEXTS]
    apart = [found for chunk in translator.chunks(chunks) for found in chunk]
    assert_alike(apart, [*translator.translate(TEXTS)])
    assert_alike([next(translator.translate([TEXTS[1]]))], translate_alone(model, [TEXTS[1]]))
    assert (
        apart[1].candidates[0].log_prob
        != translate_alone(model, [TEXTS[1]])[0].candidates[0].log_prob
    )


def translate_alone(model: TrainedModel, texts: Sequence[str]) -> list[Translation]:
    return [*make_translator(in_context(model, 0)).translate(texts)]


def test_the_oldest_context_is_left_out_first(model: TrainedModel) -> None:
    texts = ["sun moon star rain snow", "moon", "sun moon star"]
    first, second, _ = map(len, model.tokenizer.source.encode(texts))
    told.clear()
    data = replace(model.recipe.data, max_length=first + second + 3)
    short = replace(model, recipe=replace(model.recipe, data=data))
    found = [*make_translator(short).translate(texts)]
    (note,) = told
    assert note.startswith("context left out in line 3: ")
    assert "data.max_length" in note
    assert_alike(found, [*make_translator(in_context(model, 1)).translate(texts)])


def test_models_of_an_ensemble_have_the_same_context(model: TrainedModel) -> None:
    both = replace(model, ensemble=(in_context(model, 1),))
    with pytest.raises(NmtError, match="need the same context"):
        make_translator(both)
    pair = replace(model, ensemble=(model,))
    assert_alike(
        [*make_translator(pair).translate(TEXTS)], [*make_translator(model).translate(TEXTS)]
    )


def test_a_file_is_translated_in_context_and_stdin_line_by_line(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("".join(f"{text}\n" for text in TEXTS[:11]))
    format_lines = choose_format(None, None, token_scores=False)
    for name, context in ((source, SIZE), (STDIN, 0)):
        give_stdin(monkeypatch, source)
        translate_file(make_translator(model), name, Task(output), format_lines)
        expected = make_translator(in_context(model, context)).translate(TEXTS[:11])
        assert output.read_text() == "".join(f"{found.text}\n" for found in expected)
        assert capfd.readouterr().err.count("each line was translated alone") == (name == STDIN)
    with pytest.raises(UsageError, match="--resume cannot go on within a document"):
        translate_file(make_translator(model), source, Resumption(output, "job"), format_lines)


def test_a_translation_is_scored_as_it_was_found(model: TrainedModel) -> None:
    """The targets before, of the same document, are given; chunks do not matter."""
    texts = [text.replace(" 12", "") for text in TEXTS if text != "12"]
    found = [*make_translator(model, OutputOptions(token_scores=True)).translate(texts)]
    scorer = Scorer(model, model.recipe.decode, told.append, token_scores=True, pieces=True)
    best = [translation.candidates[0] for translation in found]
    pieces = [" ".join(token.piece for token in own.tokens) for own in best]
    pairs = [*map(TextPair, texts, pieces)]
    for chunks in ([pairs], [[pair] for pair in pairs]):
        for score, own in zip(chain.from_iterable(scorer.chunks(chunks)), best, strict=True):
            assert score.log_prob == pytest.approx(own.log_prob, abs=2e-4)
            assert [token.piece for token in score.tokens] == [token.piece for token in own.tokens]


def test_what_a_context_holds() -> None:
    """It has lines of the same target language; both sides must have room. By hand."""
    context = Context(2, 8, 9, SegmentLimit(10, "the limit"), told.append)
    before, notes = Before(), LineNotes()
    for opening, ids in (((1,), [3]), ((1,), [4, 4]), ((2,), [5])):
        context.add(before, opening, ids, ids)
    assert context.fit(before, (1,), (7, 7), notes, 1) == ((4, 4, 8), (4, 4, 9))
    assert context.fit(before, (2,), (8, 8), notes, 2) == ((5, 8), (5, 9))
    told.clear()
    notes.tell(told.append)
    assert told == []
    assert context.fit(before, (1,), (7, 8), notes, 3) == ((), ())
    notes.tell(told.append)
    (note,) = told
    assert note.startswith("context left out in line 3: ")


def test_what_a_user_should_know(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.decoding.translator.context.SLOW_STEPS", 2)
    told.clear()
    assert len([*make_translator(model).translate(["sun", "moon", "sun"])]) == 3
    assert told == [
        "in context, the 3 lines of a document are translated one after another, which is slow;"
        " blank lines end documents"
    ]
    told.clear()
    monkeypatch.setattr(TrainedModel, "engine", "Other")
    assert choose_context(model, SegmentLimit(9, ""), told.append) is None
    assert told[0].startswith("Other translates each line alone, without the data.context=2")
