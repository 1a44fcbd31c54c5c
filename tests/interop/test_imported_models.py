"""Imported models work in every command; language tokens choose what a multilingual one writes."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import numpy
import pytest

from nmt import api as nmt_api
from nmt.config import DataSettings, DecodeSettings, Recipe, TextFiles
from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.segments import (
    EncodedSegment,
    LineNotes,
    SegmentEncoder,
    SubSegment,
    segment_limit,
)
from nmt.documents.document import Options
from nmt.documents.registry import Job, find_format
from nmt.documents.translate_files import with_languages
from nmt.errors import UsageError
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel, task, with_own_language
from nmt.serving.worker import Line, LineTranslator
from nmt.text.subwords.tokenizer import SubwordModel, target_token
from tests.conftest import CommandResult, Run
from tests.interop.conftest import imported
from tests.interop.marian_models import TEXTS, Shape, write_folder

DEU, NLD = 4, 5  # the ids of both language tokens
TEXT = "The old woman reads a letter in the garden."
SHORT = "The old woman reads a letter."
LONG = "The old woman reads a letter. A young man waits for the train. Children play football."


@pytest.fixture
def corpus(tmp_path: Path, opus_model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write parallel text and a model into the current folder."""
    monkeypatch.setenv("NMT_DATA_DIR", "data")
    shutil.copy(opus_model.path, "opus.safetensors")
    for side, name in (("source", "train.en"), ("target", "train.de")):
        # Letters: pairs that differ in digits only are near duplicates.
        lines = [f"{line} {letter}" for letter in ascii_lowercase[:20] for line in TEXTS[side]]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.usefixtures("corpus")
def test_a_model_is_fine_tuned_and_translates(opus_model: TrainedModel, nmt: Run) -> None:
    made = nmt("init", "train.en", "train.de", "-o", "mine.toml", "--init-from", "opus.safetensors")
    assert made.code == 0
    changes = "checkpoint_updates=2", "validate_updates=4", "precision=float32"
    settings = ["--max-updates", 4, *(f"--set=train.{change}" for change in changes)]
    settings += ["--set=decode.beam_size=1", "--set=decode.max_length=5"]
    trained = nmt("train", "mine.toml", *settings)
    assert trained.code == 0, trained.err
    found = read_model(Path("runs/mine/model.safetensors"))
    assert found.tokenizer == opus_model.tokenizer.model
    assert found.recipe.model == opus_model.recipe.model
    bias = found.weights["embeddings.softmax_bias"]
    assert not numpy.array_equal(bias, opus_model.weights["embeddings.softmax_bias"])
    assert nmt("evaluate", "--model", "runs/mine").code == 0
    again = nmt("average", "runs/mine", "--last", 1, "--output", "average.safetensors")
    assert again.code == 0, again.err
    models = "--model", "opus.safetensors", "--model", "runs/mine"
    ensemble = nmt("translate", "train.en", *models, "--beam-size", 1, "--max-length", 5)
    assert ensemble.out.count("\n") == 100


@pytest.mark.usefixtures("corpus")
def test_an_imported_tokenizer_is_not_learned(nmt: Run) -> None:
    text = '[{ source = "train.en", target = "train.de" }]'
    Path("mine.toml").write_text(
        f'extends = "opus.safetensors"\n[data]\ntrain = {text}\ndev = {text}\n'
    )
    shutil.copytree(".", "data", ignore=lambda *_: ["data"])
    for command in ("prepare", "train"):
        refused = nmt(command, "mine.toml")
        assert refused.code == 1
        assert "is the tokenizer of an imported model and cannot be learned" in refused.err
        assert "--init-from" in refused.err
    refused = nmt("train", "mine.toml", "--set", "train.bpe_dropout=0.1")
    assert "train.bpe_dropout needs tokenizer.kind=bpe" in refused.err


def test_separate_vocabularies_are_two(tmp_path: Path, nmt: Run) -> None:
    model = imported(write_folder(tmp_path / "separate", Shape(separate=True, shared=False)))
    assert not model.tokenizer.is_joint
    assert not model.recipe.tokenizer.joint
    assert len(model.tokenizer.target) == 100 + 1
    assert translated(nmt, model, "The garden.\n").out.count("\n") == 1


@pytest.fixture(scope="module")
def model(multilingual: Path) -> TrainedModel:
    return imported(multilingual, "en-mul")


def encoded(
    model: TrainedModel, *texts: str, to: str = "deu", most: int = 250
) -> list[EncodedSegment]:
    limit = segment_limit(DecodeSettings(max_segment_tokens=most), model.recipe.model)
    encoder = SegmentEncoder(
        model.tokenizer.source, limit, lambda _: None, repairs=True, language=to, own="de"
    )
    return encoder.encode(texts, 1, LineNotes())


def parts_in(segments: list[EncodedSegment]) -> list[SubSegment]:
    return [part for segment in segments for part in segment.parts]


def first_ids(segments: list[EncodedSegment]) -> list[int]:
    return [part.ids[0] for part in parts_in(segments)]


def translated(nmt: Run, model: TrainedModel, text: str, *options: object) -> CommandResult:
    Path("in.txt").write_text(text, encoding="utf-8")
    return nmt("translate", "in.txt", "--model", model.path, *options)


def test_each_part_has_the_token(model: TrainedModel, opus_model: TrainedModel) -> None:
    """Not a blank line, nor a part for a model without such tokens."""
    found = encoded(model, LONG, to="nl", most=20)
    parts = parts_in(found)
    assert len(parts) > 3
    assert {(part.ids[0], part.opening, part.language) for part in parts} == {(NLD, 1, "nld")}
    assert max(map(len, parts)) <= 20
    (whole,) = parts_in(encoded(model, LONG))
    assert [number for part in parts for number in part.ids[1:]] == [*whole.ids[1:]]
    assert first_ids(encoded(model, f"{TEXT}\rA man.", "", "  ", to=">>nld<<")) == [NLD, NLD]
    assert parts_in(encoded(opus_model, TEXT))[0].opening == 0


def test_odd_input_has_the_token(model: TrainedModel) -> None:
    found = encoded(model, "12:45", "A man \u2603 waits at www.example.org now.", "THE GARDEN")
    odd = [segment.odd for segment in found if segment.odd]
    # The last is copied too: all its letters are unknown.
    assert [segment.source.text for segment in odd if not segment.text] == ["12:45", "THE GARDEN"]
    cuts = [span.text.text for segment in odd if segment.cut for span in segment.cut.whole.spans]
    assert cuts == ["\u2603", "www.example.org"]
    assert first_ids(found) == [DEU]
    assert all(DEU not in part.ids[1:] for part in parts_in(found))


TOKENS = (">>de<<", ">>fra<<", ">>zh-Hans<<", ">>zh-Hant<<", *(f">>x{i}<<" for i in range(20)))


class Vocabulary(SubwordModel):
    def __init__(self, *tokens: str) -> None:
        self.language_tokens = tokens


@pytest.mark.parametrize(
    ("wanted", "token"),
    [
        *((code, ">>de<<") for code in ("de", "deu", "ger", "de-DE", "de_AT", ">>de<<")),
        *((code, ">>fra<<") for code in ("fra", "fr", ">>fra<<")),
        ("zh-Hant", ">>zh-Hant<<"),
    ],
)
def test_a_language_is_named_by_any_of_its_codes(wanted: str, token: str) -> None:
    assert target_token(wanted, Vocabulary(*TOKENS)) == token
    assert target_token(wanted, Vocabulary(), token[2:-2]) == ""


@pytest.mark.parametrize(
    ("wanted", "tokens", "reason"),
    [
        ("", TOKENS, r"writes several languages; choose one \(--to\): de, fra, .*x5 and 14 more"),
        ("xx", TOKENS, r"does not write 'xx'; it writes: de, fra, .*x5 and 14 more"),
        ("zh", TOKENS, r"'zh' may be several .* choose one: zh-Hans, zh-Hant$"),
        ("fr", (), r"the model does not write 'fr'; it writes: de$"),
        ("zh-Hant", (">>zh-Hans<<", ">>de<<"), "the model does not write 'zh-Hant'"),
    ],
)
def test_another_language_is_refused(wanted: str, tokens: Sequence[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        target_token(wanted, Vocabulary(*tokens), "de")


def test_each_text_may_have_its_own_language(model: TrainedModel, nmt: Run) -> None:
    texts = [SHORT, LONG, SHORT, "", "The garden."]
    codes = ["de", "nl", "nld", "", ">>deu<<"]
    alone = {
        code: translated(nmt, model, "\n".join(texts) + "\n", "--to", code).out.splitlines()
        for code in ("deu", "nld")
    }
    assert alone["deu"][0] != alone["nld"][0]
    expected = [alone["nld" if "nl" in code else "deu"][i] for i, code in enumerate(codes)]
    Path("mixed.tsv").write_text("".join(f"{t}\t{c}\n" for t, c in zip(texts, codes, strict=True)))
    found = nmt("translate", "mixed.tsv", "--model", model.path, "--to-column", 2)
    assert found.out.splitlines() == expected
    loaded = nmt_api.load(model.path, device="cpu", notify=lambda _: None)
    assert [translation.text for translation in loaded.translate(texts, to=codes)] == expected
    assert [translation.text for translation in loaded.translate(texts, to="de")] == alone["deu"]
    with pytest.raises(UsageError, match=r"several languages; choose one \(to\): deu, nld$"):
        loaded.translate(texts)


def test_a_model_that_goes_on_in_one_language_writes_it(model: TrainedModel) -> None:
    chosen = []
    for codes in ((), ("nl",), ("nl", "nl"), ("de", "nl")):
        texts = tuple(TextFiles("a", "b", target_language=code) for code in codes)
        recipe = replace(model.recipe, data=replace(model.recipe.data, train=texts))
        chosen.append(with_own_language(recipe, model.tokenizer).decode.target_language)
    assert chosen == ["", "nl", "nl", ""]


def test_a_line_with_a_wrong_language_is_a_bad_line(model: TrainedModel, nmt: Run) -> None:
    Path("mixed.tsv").write_text(f"de\t{TEXT}\n{TEXT}\n\nnl\t{TEXT}\n")
    given = ("translate", "mixed.tsv", "--model", model.path, "--to-column", 1)
    assert "mixed.tsv, line 2: the model does not write 'The old" in nmt(*given).err
    lines = nmt(*given, "--on-bad-line", "blank").out.split("\n")
    assert [bool(line) for line in lines] == [True, False, False, True, False]


def write_xliff(name: str, language: str) -> None:
    unit = "<trans-unit id='1'><source>The garden.</source></trans-unit>"
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(
        "<xliff version='1.2'><file original='a' datatype='plaintext' source-language='en'"
        f" target-language='{language}'><body>{unit}</body></file></xliff>"
    )


def test_a_file_may_state_its_language(model: TrainedModel, nmt: Run) -> None:
    for language in ("nl", "fr"):
        write_xliff(f"{language}.xlf", language)
    found = [
        nmt("translate", f"{name}.xlf", "--model", model.path, *options)
        for name, options in (("nl", ()), ("nl", ("--to", "nl")), ("fr", ()), ("fr", ("--to=de",)))
    ]
    assert [result.code for result in found] == [0, 0, 2, 0]
    assert found[0].out == found[1].out != found[3].out
    assert "the model does not write 'fr'" in found[2].err
    write_xliff("app.de", "nl")
    named = nmt("translate", "app.de", "--format", "xliff", "--model", model.path)
    assert named.out == found[0].out
    settings = replace(model.recipe.decode, target_language="deu")  # of a recipe
    for name, is_chosen, to in (
        ("nl.xlf", False, "nl"),
        ("page.html", False, ""),
        ("nl.xlf", True, ""),
    ):
        job = Job(Path(name), Path(), find_format(Path(name), None))
        own = with_languages(Options(), job, model, settings, is_chosen=is_chosen)
        assert own == Options("en", to or "deu", to=to)


def test_each_file_of_a_folder_is_translated_into_the_language_that_it_states(
    model: TrainedModel, nmt: Run
) -> None:
    found = {}
    for language in ("de", "nl"):
        write_xliff(f"in/{language}.xlf", language)
        found[language] = nmt("translate", f"in/{language}.xlf", "--model", model.path).out
    given = ("translate", "in", "--model", model.path, "--output-dir")
    assert nmt(*given, "out").code == 0
    assert found == {name: Path(f"out/{name}.xlf").read_text() for name in found}
    Path("terms.tsv").write_text("garden\tTuin\n")
    for option in ("--write-memory=m.tmx", "--glossary=terms.tsv"):
        refused = nmt(*given, "other", option)
        assert "one target language, but the files state de and nl" in refused.err
    Path("in/page.md").write_text("The garden.")
    refused = nmt(*given, "more")
    assert (refused.code, Path("more").exists()) == (2, False)
    assert "in/page.md: the model writes several languages; choose one (--to)" in refused.err
    write_xliff("in/a.xlf", "fr")
    refused = nmt(*given, "more")
    assert "it writes: deu, nld; or leave the file out (in a folder: --exclude)" in refused.err
    assert nmt(*given, "out", "--to", "de").code == 0


def test_a_server_has_a_direction_for_each_language(model: TrainedModel) -> None:
    translator = LineTranslator(model, model.recipe.decode)
    assert translator.ready.directions == (("en", "de"), ("en", "nl"))
    lines: list[Line] = [
        SHORT,
        Marked("The <b>garden</b>.", (Mark(4, 7, Kind.OPEN), Mark(13, 17, Kind.CLOSE))),
    ]
    mixed = translator.translate(lines * 2, 1, ["de", "de", "nl", "nl"])
    assert mixed == [
        found for code in ("de", "nl") for found in translator.translate(lines, 1, [code] * 2)
    ]
    assert mixed[0] != mixed[2]


def test_tokens_have_no_links(model: TrainedModel, nmt: Run) -> None:
    translated(nmt, model, f"{TEXT}\n", "--alignments", "links", "--to", "deu")
    positions = [int(link.partition("-")[0]) for link in Path("links").read_text().split()]
    assert positions
    assert max(positions) < len(TEXT.split())


def test_scores_and_pages_are_those_of_the_language(model: TrainedModel, nmt: Run) -> None:
    Path("in.txt").write_text(f"{TEXT}\n")
    found = []
    for code in ("deu", "nld"):
        options = ("--model", model.path, "--to", code)
        written = json.loads(nmt("translate", "in.txt", "--token-scores", *options).out)
        (best,) = written["translations"]
        pieces = " ".join(token["piece"] for token in best["tokens"])
        Path("pairs.tsv").write_text(f"{TEXT}\t{pieces}\n")
        scored = nmt("score", "pairs.tsv", "--pieces", "--output-format", "json", *options)
        assert json.loads(scored.out)["log_prob"] == pytest.approx(best["log_prob"], abs=1e-3)
        found.append(best["log_prob"])
    assert found[0] != pytest.approx(found[1], abs=1e-3)
    assert nmt("explain", TEXT, "--output", "page.html", *options).code == 0
    assert re.search(r'"[^"]*nld[^"]*"', Path("page.html").read_text())


def test_an_ensemble_has_one_set_of_directions() -> None:
    """Models may have one vocabulary and still write other languages."""
    pairs = ("en", "de"), ("de", "en")
    train = [TextFiles("a", "b", source_language=s, target_language=t) for s, t in pairs]
    names = [task(Recipe("x", DataSettings(train=(*files,)))) for files in (train, train[:1], [])]
    assert names == ["de-en, en-de (bleu)", "en-de (bleu)", "en-de (bleu)"]
