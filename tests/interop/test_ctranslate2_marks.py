"""CTranslate2 aligns too, so that marks are placed with it as with this program."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.translation import Request
from nmt.decoding.translator.translator import Translator
from tests.decoding.marking import marked

pytest.importorskip("ctranslate2")


def test_marks_are_placed_as_by_this_program(skilled_run: Path, ct2_folder: Path) -> None:
    sources = [*map(marked, ("sun <b>moon star</b> rain", "%s: <b>sun</b>, wind", "{a}"))]
    requests = [Request(each.text, marks=each.marks) for each in sources]
    found = []
    for engine, path in (("nmt", skilled_run), ("ctranslate2", ct2_folder)):
        model, _ = load_models([path], "cpu", lambda _: None, engine=engine)
        settings = replace(model.recipe.decode, beam_size=1)
        translator = Translator(model, settings, lambda _: None)
        (translations,) = translator.chunks([requests])
        found.append([(each.text, each.candidates[0].marks) for each in translations])
    assert found[0] == found[1]
    assert [Marked(*each) for each in found[0]] == [marked(text) for text, _ in found[0]]
