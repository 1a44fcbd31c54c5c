"""Language tokens of multilingual models: in the text, and put before it."""

import json
import re
from pathlib import Path

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.translator.line_notes import LineNotes
from nmt.decoding.translator.segments import (
    EncodedSegment,
    SegmentEncoder,
    SubSegment,
    segment_limit,
)
from nmt.runs.trained_model import TrainedModel
from tests.conftest import CommandResult, Run
from tests.interop.conftest import imported

DEU, NLD = 4, 5  # the ids of both language tokens
TEXT = "The old woman reads a letter in the garden."
LONG = "The old woman reads a letter. A young man waits for the train. Children play football."


@pytest.fixture(scope="module")
def model(multilingual: Path) -> TrainedModel:
    return imported(multilingual, "en-mul")


def encoded(
    model: TrainedModel, *texts: str, opening: str = "", most: int = 250
) -> list[EncodedSegment]:
    """Return texts as the search takes them."""
    limit = segment_limit(DecodeSettings(max_segment_tokens=most), model.recipe.model)
    encoder = SegmentEncoder(
        model.tokenizer.source, limit, lambda _: None, repairs=True, token=opening
    )
    return encoder.encode(texts, 1, LineNotes())


def parts_of(segments: list[EncodedSegment]) -> list[SubSegment]:
    """Return the parts of segments."""
    return [part for segment in segments for part in segment.parts]


def first_ids(found: list[SubSegment]) -> list[int]:
    """Return the first id of each part."""
    return [part.ids[0] for part in found]


def translated(
    nmt: Run, model: TrainedModel, folder: Path, text: str, *options: object
) -> CommandResult:
    source = folder / "in.txt"
    source.write_text(text, encoding="utf-8")
    return nmt("translate", source, "--model", model.path, *options)


def test_a_token_in_the_text_has_precedence(model: TrainedModel) -> None:
    found = parts_of(encoded(model, TEXT, f">>nld<< {TEXT}", opening=">>deu<<"))
    assert first_ids(found) == [DEU, NLD]
    assert found[0].ids[1:] == found[1].ids[1:]
    assert [part.opening for part in found] == [1, 1]
    assert [part.opening for part in parts_of(encoded(model, TEXT))] == [0]


@pytest.mark.parametrize("text", ["", "  ", ">>deu<<", ">>deu<<  "])
def test_a_token_alone_is_a_blank_line(text: str, model: TrainedModel) -> None:
    assert not parts_of(encoded(model, text, opening=">>nld<<"))


def test_each_part_keeps_the_token(model: TrainedModel) -> None:
    found = parts_of(encoded(model, f">>nld<< {LONG}", most=20))
    assert len(found) > 3
    assert {*first_ids(found)} == {NLD}
    assert max(map(len, found)) <= 20
    whole = parts_of(encoded(model, f">>nld<< {LONG}"))[0].ids
    assert [each for part in found for each in part.ids[1:]] == whole[1:]
    returned = parts_of(encoded(model, f">>nld<< {TEXT}\rA man.", opening=">>deu<<"))
    assert first_ids(returned) == [NLD, NLD]


def test_odd_input_keeps_the_token(model: TrainedModel) -> None:
    found = encoded(
        model,
        ">>deu<< 12:45",
        ">>deu<< A man \u2603 waits at www.example.org now.",
        ">>deu<< THE GARDEN",
    )
    first, second, third = found
    assert not first.parts
    assert first.odd
    assert first.odd.source.text == "12:45"
    assert second.odd
    assert second.odd.cut
    copied = [span.text.text for span in second.odd.cut.whole.spans]
    assert copied == ["\u2603", "www.example.org"]
    assert third.odd
    assert third.odd.source.text == "THE GARDEN"
    assert not third.odd.text  # all its letters are unknown
    assert first_ids(parts_of(found)) == [DEU]
    assert all(DEU not in part.ids[1:] for part in parts_of(found))


def test_the_option_is_a_token_in_each_line(model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    text = f">>deu<< {TEXT}\n\n>>nld<< {TEXT}\n"
    marked = translated(nmt, model, tmp_path, text, "--n-best", 1)
    assert "language token" not in marked.err
    german, blank, dutch = map(log_prob, marked.out.splitlines())
    assert blank == 0
    assert german != pytest.approx(dutch, abs=1e-3)
    for token, expected in (("deu", german), (">>nld<<", dutch)):
        options = "--target-token", token, "--n-best", 1
        found = translated(nmt, model, tmp_path, f"{TEXT}\n", *options)
        assert log_prob(found.out) == pytest.approx(expected, abs=1e-4)
        assert "language token" not in found.err


def log_prob(line: str) -> float:
    """Return the log-probability of the best translation in a line of JSON."""
    return float(json.loads(line)["translations"][0]["log_prob"])


def test_a_missing_token_is_told(model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    found = translated(nmt, model, tmp_path, f"{TEXT}\n>>deu<< {TEXT}\n")
    assert "no language token in line 1, so that the model may write any" in found.err


@pytest.mark.parametrize("command", ["translate", "score", "explain", "evaluate"])
def test_an_unknown_token_is_refused(
    command: str, model: TrainedModel, tmp_path: Path, nmt: Run
) -> None:
    text = tmp_path / "in.txt"
    text.write_text(f"{TEXT}\n")
    given: dict[str, list[object]] = {
        "translate": [text],
        "explain": [TEXT, "--output", tmp_path / "page.html"],
    }
    found = nmt(
        command, *given.get(command, [text, text]), "--model", model.path, "--target-token", "dex"
    )
    assert found.code == 2
    assert "the model has no language token >>dex<<; did you mean '>>deu<<'?" in found.err


def test_other_models_have_no_tokens(opus_model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    found = translated(nmt, opus_model, tmp_path, f"{TEXT}\n", "--target-token", "deu")
    assert (found.code, "is for models with language tokens" in found.err) == (2, True)
    assert parts_of(encoded(opus_model, f">>deu<< {TEXT}"))[0].opening == 0


def test_an_unknown_token_in_a_line_is_noted(model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    found = translated(nmt, model, tmp_path, f">>xyz<< {TEXT}\n")
    assert (found.code, found.out.count("\n")) == (0, 1)
    assert "reads as unknown: >>xyz<< (line 1)" in found.err


def test_tokens_have_no_links(model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    links = tmp_path / "links"
    found = []
    for text, options in ((f">>deu<< {TEXT}", ()), (TEXT, ("--target-token", "deu"))):
        links.unlink(missing_ok=True)
        translated(nmt, model, tmp_path, f"{text}\n", "--alignments", links, *options)
        found.append([int(each.partition("-")[0]) for each in links.read_text().split()])
    marked, plain = found
    assert plain
    assert marked == [each + 1 for each in plain]
    assert max(plain) < len(TEXT.split())


def test_scores_are_those_of_the_text_with_its_token(
    model: TrainedModel, tmp_path: Path, nmt: Run
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(f"{TEXT}\tEin Brief.\n>>nld<< {TEXT}\tEin Brief.\n")
    found = [
        nmt(
            "score", pairs, "--model", model.path, "--output-format", "json", *options
        ).out.splitlines()
        for options in (("--target-token", "nld"), ("--target-token", "deu"), ())
    ]
    scores = [[json.loads(line)["log_prob"] for line in lines] for lines in found]
    marked = scores[0][1]
    assert scores[0][0] == pytest.approx(marked, abs=1e-4)
    assert [each[1] for each in scores[1:]] == pytest.approx([marked] * 2, abs=1e-4)
    assert len({round(each[0], 2) for each in scores}) == 3


def test_a_page_shows_the_token(model: TrainedModel, tmp_path: Path, nmt: Run) -> None:
    page = tmp_path / "page.html"
    found = nmt("explain", TEXT, "--model", model.path, "--output", page, "--target-token", "deu")
    assert found.code == 0
    assert re.search(r'"[^"]*deu[^"]*"', page.read_text())
