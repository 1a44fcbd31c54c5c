"""`nmt evaluate`: scores, intervals and p-values equal to sacreBLEU's; what is printed and read."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.model_file import read_model, save_model
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import OUTPUTS, REFERENCES, evaluation, give_stdin, translate, write
from tests.conftest import Run
from tests.training.conftest import read_metrics

TEXT = [
    "Der alte Mann liest einen Brief.",
    "Zwei Hunde laufen über die Wiese, nicht wahr?",
    "",
    "Sie sagte: „Das ist gut!“",
    "3,5 % der Häuser sind blau.",
    "Ein   Kind  schläft .",
]
GUESSES = [
    "Der alte Mann las einen Brief.",
    "zwei Hunde laufen über eine Wiese, nicht?",
    "Ja.",
    "Sie sagte: „Das ist gut!“",
    "3,5 % der Häuser waren blau.",
    "",
]


def scored(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return the scores on the only test set of an evaluation."""
    (found,) = evaluation(nmt, *arguments)["results"]
    assert isinstance(found, dict)
    return found


def values(result: dict[str, Any]) -> list[float]:
    return [score["value"] for score in result["scores"].values()]


def sacrebleu(*arguments: object) -> list[dict[str, Any]]:
    """Return what the sacrebleu command prints."""
    command = [sys.executable, "-m", "sacrebleu", *map(str, arguments), "-f", "json", "-w", "8"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(completed.stdout)
    return found


def test_scores_and_signatures_equal_sacrebleus(nmt: Run, tmp_path: Path) -> None:
    """With two references, of which one may be blank."""
    first, output = write(tmp_path / "ref.de", *TEXT), write(tmp_path / "hyp.de", *GUESSES)
    second = write(tmp_path / "second", *GUESSES[2:], *GUESSES[:2])
    both = scored(nmt, "--hypotheses", output, first, second)
    expected = sacrebleu(first, second, "-i", output, "-m", "bleu", "chrf", "ter")
    assert [*both["scores"]] == ["BLEU", "chrF2", "TER"] == [metric["name"] for metric in expected]
    for ours, theirs in zip(both["scores"].values(), expected, strict=True):
        assert ours["value"] == pytest.approx(theirs["score"], abs=1e-7)
        assert ours["signature"] == theirs["signature"]
        assert ours["signature"].startswith("nrefs:2|")
    table = nmt("evaluate", "--hypotheses", output, first, second).out
    assert f"{first} (6 segments, up to 2 references)\n" in table
    bleu = both["scores"]["BLEU"]
    assert ["BLEU", f"{bleu['value']:.2f}", bleu["signature"]] in map(str.split, table.splitlines())


def test_the_papers_bleu_by_hand(nmt: Run, tmp_path: Path) -> None:
    """The tokens are: the rich ##AT##-##AT## text form . Only "form" is wrong.

    So 5 of 6 tokens are right, 3 of 5 bigrams, 2 of 4 trigrams and 1 of 3 four-grams.
    """
    pytest.importorskip("sacremoses")
    reference = write(tmp_path / "r", "The rich-text format.")
    output = write(tmp_path / "h", "the Rich-text form.")
    options = ["--hypotheses", output, reference, "--target-language", "en", "--lowercase"]
    found = scored(nmt, *options, "--tokenize", "paper")["scores"]["BLEU paper lc"]
    assert found["value"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    for part in ("case:lc", "tok:moses-sacremoses-", "-compounds-split|smooth:none"):
        assert part in found["signature"]
    moses = scored(nmt, *options, "--tokenize", "moses")["scores"]["BLEU moses lc"]
    assert moses["value"] == 0  # three of four tokens: no four-gram


def test_a_model_translates_as_nmt_translate_does(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = skilled_run.parent.parent
    files = [folder / "dev.src", folder / "dev.tgt"]
    output = tmp_path / "out"
    translate(nmt, skilled_run, files[0], "--output", output)
    given = scored(nmt, "--hypotheses", output, files[1])
    give_stdin(monkeypatch, files[0])
    result = scored(nmt, "-", files[1], "--model", skilled_run)
    assert (result["test_set"], result["scores"]) == ("stdin", given["scores"])
    assert result["scores"]["BLEU"]["value"] > 1


def test_defaults_are_the_newest_model_and_its_test_sets(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run remembers its data folder; a copy of its model does not."""
    folder = tiny_run.parent.parent
    copy = shutil.copy(tiny_run / "model.safetensors", tmp_path / "copy.safetensors")
    remembered = nmt("evaluate", "--model", tiny_run)
    assert f"data: {folder} (the model was trained with it); --data-dir names" in remembered.err
    given = nmt("evaluate", "--model", tiny_run, "--data-dir", folder)
    assert (given.out, "data: " in given.err) == (remembered.out, False)
    forgotten = nmt("evaluate", "--model", copy)
    assert (forgotten.code, forgotten.out) == (1, "")
    assert "data/dev.src does not exist; put it there, or name another data folder" in forgotten.err
    monkeypatch.chdir(folder)
    result = nmt("evaluate", "--data-dir", folder)
    name = "runs/tiny/model.safetensors"
    blank = f"warning: tiny: every translation of {name} is blank\n"  # it has learnt nothing yet
    assert (result.code, result.err) == (0, f"model: {name} (tiny)\n{blank}")
    assert result.out.startswith("beam 4, length penalty 0.6 (GNMT), at most 4 tokens more")
    for setting, begin in (
        ("decode.method=sample", "samples of temperature 1, top_k 0, top_p 1, seed 1\n"),
        ("decode.mbr=chrf", "minimum Bayes risk by chrf, candidates by beam 4"),
    ):
        result = nmt("evaluate", "--data-dir", folder, "--set", setting)
        assert result.out.startswith(begin), result.out


def test_a_recipe_has_labels_and_several_references(nmt: Run, tiny: Path) -> None:
    """The references are what `nmt translate` writes, six of them with a word added."""
    labels = ["case verb", "case", "", "verb", "case", "", "", "verb case", "", "case"]
    write(Path("dev.labels"), *labels)
    write(Path("more.tgt"), *["x"] * 10)
    old = 'target = "dev.tgt" }\n\n'
    new = 'target = "right.tgt", labels = "dev.labels", references = ["more.tgt"] }\n\n'
    tiny.write_text(tiny.read_text().replace(old, new))
    assert nmt("train", tiny, "--max-updates", 1).code == 0
    written = nmt("translate", "dev.src").out.splitlines()
    wrong = [f"{text} x" for text in written]
    write(Path("right.tgt"), *written[:4], *wrong[4:])
    result = scored(nmt)
    assert result["exact_match"] == {
        "all": {"right": 4, "segments": 10},
        "case": {"right": 2, "segments": 5},
        "verb": {"right": 2, "segments": 3},
    }
    assert result["references"] == len(result["sha256"]["references"]) == 2
    assert "    verb                  66.7 %  (2 of 3)" in nmt("evaluate").out
    for name, lines in (("dev.labels", labels), ("more.tgt", ["x"] * 10)):
        write(Path(name), *lines[:-1])
        refused = nmt("evaluate")
        assert (refused.code, f"{name} has 9 lines" in refused.err) == (1, True)
        write(Path(name), *lines)
    assert nmt("train", tiny, "--max-updates", 1, "--set", "data.test={}", "--run", "a").code == 0
    message = nmt("evaluate", "--model", "a").err.splitlines()[-1]
    assert all(fact in message for fact in ("nmt: ", "recipe tiny", "SOURCE and REFERENCE"))


def test_a_training_by_error_rates(nmt: Run, tiny: Path) -> None:
    """The best model has the lowest rate, and its dev score is what evaluate prints.

    Each dev source is there twice, the second time with a wrong target: it is scored once, but a
    compared file has a line for each occurrence.
    """
    for name in ("train", "dev"):
        sides = [Path(f"{name}.{side}").read_text().splitlines() for side in ("src", "tgt")]
        rows = [*zip(*sides, strict=True)]
        rows += [(source, "NONE") for source, _ in rows if name == "dev"]
        write(Path(f"{name}.tsv"), *map("\t".join, rows))
    text = tiny.read_text().replace("vocab_size = 40", 'kind = "word"\nvocab_size = 40')
    tail = text.partition("\n\n[tokenizer]")[2]
    tail = tail.replace("[train]", '[train]\nearly_stopping_metric = "error_rate"')
    tiny.write_text(
        '[data]\ntrain = [{ tsv = "train.tsv" }]\ndev = [{ tsv = "dev.tsv" }]\n'
        f'test.spelled = {{ tsv = "dev.tsv" }}\nmetric = "error_rate"\n\n[tokenizer]{tail}'
    )
    settings = ["train.validate_updates=20", "model.dropout=0", "train.warmup_updates=40"]
    settings += ["train.learning_rate_scale=2"]
    options = [part for setting in settings for part in ("--set", setting)]
    trained = nmt("train", tiny, "--max-updates", 100, *options)
    assert trained.code == 0, trained.err
    dev = [line for line in read_metrics(Path("runs/tiny")) if line["kind"] == "dev"]
    assert len({line["token_error_rate"] for line in dev}) > 1
    best = min(dev, key=lambda line: line["token_error_rate"])
    model = Path("runs/tiny/best.safetensors")
    assert read_model(model).updates == (best["update"],)
    assert f"dev token error rate {best['token_error_rate']:.2f} at update" in trained.err
    write(Path("sources"), *(source for source, _ in rows))
    write(Path("right"), *(target for _, target in rows))
    translate(nmt, model, "sources", "--output", "own")
    result = scored(nmt, "--model", model, "--compare", "own", "--compare", "right")
    assert values(result)[0] == best["token_error_rate"]
    assert (result["segments"], result["lines"]) == (len(dict(rows)), 20)
    own, right = result["compared"]
    assert values(own) == values(result)
    assert [score["p_value"] for score in own["scores"].values()] == [1, 1]
    assert values(right) == [0, 0]
    again = ["--init-from", "runs/tiny", "--run", "again", "--max-updates", 2]
    assert nmt("train", tiny, *again).code == 0  # its vocabulary may be smaller than the recipe's
    refused = nmt("train", tiny, "--set", "train.early_stopping_metric=bleu", "--run", "x")
    assert (refused.code, "to error_rate or loss" in refused.err) == (1, True)


def test_the_table_says_what_its_figures_are(nmt: Run, tmp_path: Path) -> None:
    """In every locale; a name that is not UTF-8 leaves the output valid."""
    lines = [f"{OUTPUTS[number % 3]} {number}" for number in range(12)]
    output = write(tmp_path / "out", *lines)
    name = tmp_path / os.fsdecode(b"\xff.txt")
    reference = write(name, *(line.replace("Haus", "Park") for line in lines))
    plain = nmt("evaluate", "--hypotheses", output, reference).out.splitlines()
    assert plain[-1] == "lower is better: TER"
    assert hasattr(sys.stdout, "reconfigure")
    sys.stdout.reconfigure(encoding="ascii")
    compared = nmt("evaluate", "--hypotheses", output, reference, "--compare", reference)
    assert (compared.code, compared.err, " ± " in compared.out) == (0, "", True)
    assert f"compared with {tmp_path}/\\xff.txt" in compared.out
    assert compared.out.splitlines()[-4:] == [
        "lower is better: TER",
        "in brackets: mean and 95 % confidence interval of 1,000 bootstrap resamples",
        "with a sign: the difference from the first system",
        "p: probability of a difference at least this large between equally good systems",
    ]
    found = evaluation(nmt, "--hypotheses", reference, reference)
    assert found["hypotheses"] == f"{tmp_path}/\\xff.txt"


def test_another_search_of_a_compared_model_is_named(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    files = [write(tmp_path / f"test.{name}", *["sun moon"] * 3) for name in ("en", "de")]
    given = ["--model", skilled_run, "--compare", skilled_run]
    assert nmt("evaluate", *files, *given).out.count("beam ") == 1
    content = read_model(RunFolder(skilled_run).model)
    greedy = replace(content.recipe, decode=replace(content.recipe.decode, beam_size=1))
    path = tmp_path / "other.safetensors"
    save_model(path, replace(content, recipe=greedy))
    other = nmt("evaluate", *files, "--model", skilled_run, "--compare", path)
    assert "\n    beam 1, length penalty " in other.out


def test_each_text_may_be_a_pipe_or_packed_and_faults_are_said_as_they_are(
    nmt: Run, reference: Path, hypotheses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compressed file has the hash of its own bytes."""
    folder = reference.parent
    other = write(folder / "other", "ein Hund", *OUTPUTS[1:])
    second = write(folder / "second", *REFERENCES[::-1])

    def arguments(*texts: Path) -> list[object]:
        return ["--hypotheses", texts[0], *texts[1:3], "--compare", texts[3]]

    def numbers(found: dict[str, Any]) -> list[object]:
        (result,) = found["results"]
        return [system["scores"] for system in (result, *result["compared"])]

    def pipe(path: Path) -> Path:
        """Return a pipe that holds a text, as `<(cat FILE)` in a shell."""
        reader, writer = os.pipe()
        os.write(writer, path.read_bytes())
        os.close(writer)
        return Path(f"/dev/fd/{reader}")

    def packed(path: Path) -> Path:
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        return path.with_suffix(".gz")

    texts = [hypotheses, reference, second, other]
    expected = numbers(evaluation(nmt, *arguments(*texts)))
    found = evaluation(nmt, *arguments(packed(hypotheses), *map(pipe, texts[1:])))
    assert numbers(found) == expected
    digest = hashlib.sha256(packed(hypotheses).read_bytes()).hexdigest()
    assert (found["hypotheses"], found["sha256"]) == (str(packed(hypotheses)), digest)
    give_stdin(monkeypatch, hypotheses)
    found = evaluation(nmt, *arguments(Path("-"), *texts[1:]))
    assert (numbers(found), found["hypotheses"]) == (expected, "stdin")
    (folder / "empty").touch()
    for index in range(4):
        bad = [*texts[:index], folder / "empty", *texts[index + 1 :]]
        refused = nmt("evaluate", *arguments(*bad))
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert f"{folder / 'empty'} is empty" in refused.err


def test_a_bad_seed_is_named_before_the_work(
    nmt: Run, reference: Path, hypotheses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "-1")
    given = ["--hypotheses", hypotheses, reference]
    assert nmt("evaluate", *given).code == 0  # needs no seed
    refused = nmt("evaluate", *given, "--compare", reference)
    fault = "nmt: SACREBLEU_SEED must be a number or none, not '-1'; unset it\n"
    assert (refused.code, refused.out, refused.err) == (2, "", fault)
