"""`nmt check`: what is wrong with a corpus, on a terminal and as JSON."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora import examine as examined
from nmt.text import encode
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write

CLEAN = corpus(400)


def check(nmt: Run, *arguments: object, code: int = 0) -> dict[str, Any]:
    result = nmt("check", *arguments, "--json", "--limit", "language_sample=0")
    assert result.code == code, result.err
    report: dict[str, Any] = json.loads(result.out)
    return report


def findings(report: dict[str, Any], text: int = 0) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in report["texts"][text]["findings"]}


def with_faults(pairs: Pairs) -> Pairs:
    damaged = [*pairs]
    damaged[10] = ("", pairs[10][1])
    damaged[20] = (pairs[20][0], pairs[20][0])
    damaged[30] = (pairs[30][0], f"{pairs[30][1][:-9]}\u200bschÃ¶n\x07")
    damaged[40] = damaged[5]
    return damaged


def test_a_clean_corpus_has_no_findings(nmt: Run, tmp_path: Path) -> None:
    report = check(nmt, *write(tmp_path, CLEAN))
    (text,) = report["texts"]
    assert (text["pairs"], text["lines"], text["findings"]) == (400, [400, 400], [])
    assert sum(text["histogram"]["source"]) == sum(text["histogram"]["target"]) == 400
    words = sum(len(source.split()) for source, _ in CLEAN)
    assert (report["recipe"], report["corpus_check"], text["words"][0]) == ("", 1, words)


def test_faults_have_counts_lines_and_fixes(nmt: Run, tmp_path: Path) -> None:
    found = findings(check(nmt, *write(tmp_path, with_faults(CLEAN))))
    lines = {kind: [each["line"] for each in f["examples"]] for kind, f in found.items()}
    assert lines == {
        "empty": [11],
        "copied": [21],
        "invisible": [31],
        "mojibake": [31],
        "control": [31],
        "duplicates": [41],
    }
    assert {(each["count"], each["of"]) for each in found.values()} == {(1, 400), (1, 399)}
    assert all(each["fix"] and each["title"] for each in found.values())
    assert found["duplicates"]["examples"][0]["detail"] == "as in line 6"
    assert found["duplicates"]["examples"][0]["source"] == CLEAN[5][0]


def test_the_table_shows_the_same_and_hides_nothing(nmt: Run, tmp_path: Path) -> None:
    result = nmt("check", *write(tmp_path, with_faults(CLEAN)), "--limit", "language_sample=0")
    assert result.code == 0
    for word in ("400 pairs", "line 31", "U+200B", r"\u200b", r"\x07", "fix: ", "5 warnings"):
        assert word in result.out
    assert not {"\u200b", "\x07"} & {*result.out}


def test_the_page_holds_the_report_and_no_markup_of_the_text(nmt: Run, tmp_path: Path) -> None:
    pairs = with_faults(CLEAN)
    pairs[20] = ("</script><b>bold</b> \u202e", "</script><b>bold</b> \u202e")
    files = write(tmp_path, pairs)
    page = tmp_path / "check.html"
    report = check(nmt, *files, "--html", page)
    text = page.read_text(encoding="utf-8")
    assert "<b>bold" not in text
    assert not {"\u202e", "\u200b", "\x07"} & {*text}
    assert "c.en and c.de" in text
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    data = json.loads(found[1])
    kinds = [each["kind"] for each in report["texts"][0]["findings"]]
    assert [each["kind"] for each in data["texts"][0]["findings"]] == kinds
    check(nmt, *files, "--html", page)  # its own page is replaced
    result = nmt("check", *files, "--html", files[0])
    assert (result.code, result.out) == (2, "")
    assert "is an input of this command" in result.err


def test_errors_exit_with_1(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, corpus(600))
    lines = target.read_bytes().split(b"\n")
    lines[19] = b"gr\xfcn"
    del lines[300]
    target.write_bytes(b"\n".join(lines))
    found = findings(check(nmt, source, target, code=1))
    assert {kind for kind, each in found.items() if each["severity"] == "error"} == {
        "encoding",
        "line_counts",
        "slip",
    }
    assert "line 20: not valid UTF-8" in found["encoding"]["examples"][0]["detail"]
    assert found["encoding"]["examples"][0]["line"] == 20
    assert abs(found["slip"]["examples"][0]["line"] - 301) <= 20
    assert found["line_counts"]["count"] == 1


def test_a_file_in_another_encoding_is_reported_from_its_first_line_on(
    nmt: Run, tmp_path: Path
) -> None:
    source, target = write(tmp_path, [(first, f"\u00e4 {second}") for first, second in CLEAN])
    target.write_bytes(target.read_text(encoding="utf-8").encode("cp1252"))
    found = findings(check(nmt, source, target, code=1))["encoding"]
    assert (found["count"], found["of"]) == (400, 400)
    assert [each["line"] for each in found["examples"]] == [1, 2, 3]
    assert "iconv" in found["fix"]


def test_a_text_that_is_useless_as_a_whole_is_an_error(nmt: Run, tmp_path: Path) -> None:
    sources = random.Random(1).sample([source for source, _ in CLEAN], len(CLEAN))
    useless: dict[str, Pairs] = {
        "unrelated": [(source, pair[1]) for source, pair in zip(sources, CLEAN, strict=True)],
        "duplicates": CLEAN[:2] * 200,
    }
    for kind, pairs in useless.items():
        found = findings(check(nmt, *write(tmp_path, pairs), code=1))
        assert [name for name, each in found.items() if each["severity"] == "error"] == [kind]
    assert found["duplicates"]["count"] == 398


def test_one_very_long_line_hides_no_other_fault(nmt: Run, tmp_path: Path) -> None:
    pairs = [(s, t[: len(t) // 4]) if n % 20 == 0 else (s, t) for n, (s, t) in enumerate(CLEAN)]
    before = findings(check(nmt, *write(tmp_path, pairs)))["length_ratio"]
    pairs[7] = (pairs[7][0], "y " * 100_000)
    after = findings(check(nmt, *write(tmp_path, pairs)))
    assert after["length_ratio"]["count"] == before["count"] + 1 > 5
    assert set(after) == {"length_ratio", "too_long"}


def test_composed_and_decomposed_accents_are_near_duplicates(nmt: Run, tmp_path: Path) -> None:
    pairs = [(source, f"{target} \u00fcber") for source, target in CLEAN]
    again = [(source, target.replace("\u00fc", "u\u0308")) for source, target in pairs[:20]]
    found = findings(check(nmt, *write(tmp_path, [*pairs, *again])))
    assert found["near_duplicates"]["count"] == 20


def test_a_tsv_file_may_lack_tabs(nmt: Run, tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    rows = ["\t".join(pair) for pair in CLEAN]
    rows[2] = "no tab"
    rows[4] += "\tmore"
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    report = check(nmt, path, code=1)
    found = findings(report)
    assert [*found] == ["no_tab"]
    assert [each["line"] for each in found["no_tab"]["examples"]] == [3]


@pytest.mark.parametrize("content", ["", "\n\n"], ids=["no-lines", "blank"])
def test_a_text_without_pairs_is_an_error(nmt: Run, tmp_path: Path, content: str) -> None:
    for name in ("a.en", "a.de"):
        (tmp_path / name).write_text(content)
    assert "no_pairs" in findings(check(nmt, tmp_path / "a.en", tmp_path / "a.de", code=1))
    table = nmt("check", tmp_path / "a.en", tmp_path / "a.de").out
    assert "no pair with text on both sides: 1 (100 % of 1)" in table


def test_a_recipe_is_checked_with_its_sets(nmt: Run, tmp_path: Path) -> None:
    write(tmp_path, CLEAN, "train")
    again = (CLEAN[7][0].upper(), CLEAN[7][1])
    write(tmp_path, [*corpus(50, seed=2)[:20], CLEAN[3], again], "dev")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[data]\ntrain = [{source = "train.en", target = "train.de"}]\n'
        'dev = [{source = "dev.en", target = "dev.de"}]\n'
        'test.held = {source = "dev.en", target = "dev.de"}\n'
    )
    report = check(nmt, recipe, "--data-dir", tmp_path)
    assert [each["name"] for each in report["texts"]] == ["train", "dev", "test held"]
    for text in (1, 2):
        found = findings(report, text)
        assert found["overlap"]["examples"][0]["detail"] == "its source is in line 4 of train"
        assert [each["line"] for each in found["near_overlap"]["examples"]] == [22]
    assert "`nmt prepare` with this recipe" in " ".join(each["why"] for each in report["skipped"])


def test_given_sets_are_compared_with_files(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, CLEAN, "train")
    dev = write(tmp_path, [*CLEAN[:3], *corpus(20, seed=5)], "dev")
    test = write(tmp_path, corpus(20, seed=6), "test")
    report = check(nmt, *files, "--dev", *dev, "--test", *test)
    assert [each["name"] for each in report["texts"]] == ["text", "dev", "test"]
    assert findings(report, 1)["overlap"]["count"] == 3
    assert "overlap" not in findings(report, 2)
    tokens = [each["coverage"]["learned_tokens"] for each in report["texts"]]
    assert tokens[0] > 100
    assert {*tokens} == {tokens[0]}


def test_the_vocabulary_of_a_run_is_looked_at(nmt: Run, tmp_path: Path) -> None:
    write(tmp_path, CLEAN, "train")
    write(tmp_path, [*CLEAN[:5], ("the \u00fc man", "der mann")], "dev")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[data]\ntrain = [{source = "train.en", target = "train.de"}]\n'
        'dev = [{source = "dev.en", target = "dev.de"}]\n[tokenizer]\nvocab_size = 90\n'
    )
    assert nmt("prepare", recipe, "--data-dir", tmp_path).code == 0
    report = check(nmt, recipe, "--data-dir", tmp_path, code=1)  # dev is in train
    assert report["texts"][0]["coverage"]["pieces_per_word"][0] > 1
    found = findings(report, 1)["unknown_characters"]
    assert (found["count"], found["severity"]) == (1, "warning")
    assert found["examples"][0]["detail"] == "\u00fc in the source"


def test_processes_find_what_one_finds(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK_PAIRS", 300)
    pairs = with_faults(corpus(900))
    pairs[850] = ("", "x")
    files = write(tmp_path, pairs)
    alone = check(nmt, *files)
    monkeypatch.setattr(examined, "CHUNKS_ALONE", 0)
    assert check(nmt, *files) == alone
    assert findings(alone)["empty"]["examples"][1]["line"] == 851


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.en", "absent.de"], 1, "absent.en does not exist"),
        (["a", "b", "c"], 2, "3 names were given"),
        (["pokcet"], 2, "pocket"),
        (["pocket", "--limit", "max_deviaton=2"], 2, "max_deviation"),
        (["pocket", "--limit", "max_deviation"], 2, "NAME=VALUE"),
        (["pocket", "--dev", "a.en", "a.de"], 2, "leave out --dev"),
        (["pocket", "--limit", "max_deviation=x"], 2, "not a number"),
        (["pocket", "--limit", "max_deviation=0"], 2, "at least 1"),
        (["pocket", "--limit", "least_letters=0"], 2, "it is for a filter of `nmt clean --also`"),
        (["-", "b"], 2, "stdin"),
        (["same.en", "same.en"], 2, "as source and as target"),
        (["same.en", "."], 1, "is a folder"),
        (["text.en.bz2", "text.de.bz2"], 1, "decompress it"),
        (["pocket", "--limit", "sample_pairs=1.5"], 2, "not a whole number"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_mistakes_are_explained(nmt: Run, arguments: list[str], code: int, message: str) -> None:
    for name in ("same.en", "text.en.bz2", "text.de.bz2"):
        Path(name).touch()
    result = nmt("check", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
