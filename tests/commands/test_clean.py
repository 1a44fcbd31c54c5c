"""`nmt clean`: bad pairs are repaired or removed, with a reason, and nothing is lost."""

import json
import random
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora import clean as cleaned
from nmt.corpora.clean import Models, load_scorers
from nmt.corpora.faults.findings import ALWAYS, DEFAULT_FILTERS
from nmt.errors import NmtError
from nmt.text import encode
from tests.commands.conftest import json_of
from tests.conftest import Run, train_reverse_skilled
from tests.corpora.corpora import Pairs, corpus, write
from tests.interop.models import save_directions, saved, two_languages

CLEAN = corpus(400)


def read(folder: Path, name: str = "out") -> Pairs:
    sides = [(folder / f"{name}.{side}").read_text("utf-8").split("\n") for side in ("en", "de")]
    assert [side.pop() for side in sides] == ["", ""]
    return [*zip(*sides, strict=True)]


def rejected(folder: Path, name: str = "out") -> list[list[str]]:
    lines = (folder / f"{name}.rejected.tsv").read_text("utf-8").split("\n")
    assert (lines[0], lines[-1]) == ("line\tfilter\treason\tsource\ttarget", "")
    return [line.split("\t") for line in lines[1:-1]]


def clean(nmt: Run, folder: Path, pairs: Pairs, *options: object) -> dict[str, Any]:
    given = (*write(folder, pairs), "-o", folder / "out", *options)
    report: dict[str, Any] = json_of(nmt, "clean", *given)
    assert report["pairs"] == len(pairs) == report["kept"] + sum(report["removed"].values())
    return report


def documents(pairs: Pairs) -> list[Pairs]:
    """Return the pairs between blank ones."""
    grouped = groupby(pairs, any)
    return [[*own] for has_text, own in grouped if has_text]


def with_faults(pairs: Pairs) -> Pairs:
    """Return pairs of which one in twenty, from the tenth on, has a fault of its own kind."""
    damaged = [*pairs]
    source, target = pairs[10]
    for index, pair in enumerate(
        [
            (" ", target),
            (source, f"{target[:8]}\ufffd{target[9:]}"),
            (source, f"{target[:-9]} sch\u00c3\u00b6n"),
            (f"<b>{source}</b>", target),
            (source, source),
            (source, "\u0434\u043e\u043c " * (len(target) // 4)),
            (target, pairs[11][0]),
            (source, target[:9] * 20),
            pairs[5],
            (f"{pairs[6][0].upper()}  !", pairs[6][1]),
        ]
    ):
        damaged[10 + 20 * index] = pair
    return damaged


KINDS = (
    *("empty", "replacement", "mojibake", "markup", "copied", "script", "language"),
    *("length_ratio", "duplicates", "near_duplicates"),
)


def test_each_fault_is_removed_with_its_reason_and_the_others_are_kept(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes and blocks of any size change nothing."""
    pairs = with_faults(CLEAN)
    report = clean(nmt, tmp_path, pairs)
    bad = rejected(tmp_path)
    assert [(int(line), kind) for line, kind, *_ in bad] == [
        (11 + 20 * index, kind) for index, kind in enumerate(KINDS)
    ]
    assert Counter(pairs) == Counter([*read(tmp_path), *((row[3], row[4]) for row in bad)])
    assert read(tmp_path) == [pair for n, pair in enumerate(pairs) if n % 20 != 10 or n > 190]
    assert report["removed"] == {name: int(name in KINDS) for name in (*ALWAYS, *DEFAULT_FILTERS)}
    files = [tmp_path / f"out.{ending}" for ending in ("en", "de", "rejected.tsv")]
    before = [path.read_bytes() for path in files]
    for size, alone in ((37, 2), (300, 0)):
        monkeypatch.setattr(encode, "CHUNK_PAIRS", size)
        monkeypatch.setattr(cleaned, "CHUNKS_ALONE", alone)
        assert clean(nmt, tmp_path, pairs) == report
        assert [path.read_bytes() for path in files] == before
    result = nmt("clean", *write(tmp_path, pairs), "-o", tmp_path / "out")
    assert (result.code, result.out) == (0, "")
    for told in ("400 pairs: 390 kept, 10 removed", "pairs with HTML", "out.rejected.tsv"):
        assert told in result.err
    result = nmt("clean", *write(tmp_path, pairs[:1]), "-o", tmp_path / "one")
    assert "1 pair: 1 kept, 0 removed" in result.err


def test_filters_are_chosen(nmt: Run, tmp_path: Path) -> None:
    pairs = with_faults(CLEAN)
    for index, (source, target) in {7: ("room 101", "zimmer 102"), 9: ("who?", "wer.")}.items():
        pairs[index] = (f"{pairs[index][0]} {source}", f"{pairs[index][1]} {target}")
    fewer = [kind for kind in KINDS if kind not in ("copied", "near_duplicates")]
    for options, kinds in (
        (["--only", "copied, near_duplicates"], ["empty", "copied", *["near_duplicates"] * 2]),
        (["--without", "copied,near_duplicates"], fewer),
        (["--only", ""], ["empty"]),
        (["--also", "question,numbers"], ["numbers", "question", *KINDS]),
    ):
        clean(nmt, tmp_path, pairs, *options)
        assert [row[1] for row in rejected(tmp_path)] == kinds


def test_text_is_repaired_unless_that_is_forbidden(nmt: Run, tmp_path: Path) -> None:
    pairs = [*CLEAN]
    source, target = pairs[20]
    pairs[20] = (f"  {source}\u00a0e\u200b\u0301 ", f"\u200b{target}\x07\x0b\u00e9")
    report = clean(nmt, tmp_path, pairs)
    assert read(tmp_path)[20] == (f"{source} \u00e9", f"{target} \u00e9")
    assert report["repaired"] == dict.fromkeys(["normal_form", "control", "invisible", "spaces"], 1)
    assert clean(nmt, tmp_path, read(tmp_path))["repaired"] == {}
    report = clean(nmt, tmp_path, pairs, "--no-repair")
    assert report["repaired"] == {}
    ((line, kind, reason, *sides),) = rejected(tmp_path)
    assert (line, kind, sides) == ("21", "control", [*pairs[20]])
    assert reason == "U+0007 in the target; U+200B in the source"


def test_mojibake_is_repaired_by_ftfy(nmt: Run, tmp_path: Path) -> None:
    pytest.importorskip("ftfy")
    report = clean(nmt, tmp_path, with_faults(CLEAN), "--ftfy")
    assert (report["repaired"], report["removed"]["mojibake"]) == ({"mojibake": 1}, 0)
    assert read(tmp_path)[48][1].endswith(" sch\u00f6n")


def test_mojibake_is_removed_before_repairs_destroy_it(nmt: Run, tmp_path: Path) -> None:
    """Its second character may be a control character or a space, which repairs would remove."""
    pairs, wrong = (
        [*CLEAN],
        ["gro\u00c3\x9f", "\u00c3\u00a0 la carte", "Das\u00c2\u00a0Haus", "so\u00e2\u20ac\x9d"],
    )
    for index, word in enumerate(wrong):
        source, target = pairs[20 * index]
        pairs[20 * index] = (source, f"{target[: -len(word) - 1]} {word}")
    report = clean(nmt, tmp_path, pairs)
    assert report["removed"]["mojibake"] == report["pairs"] - report["kept"] == len(wrong)
    assert [row[4] for row in rejected(tmp_path)] == [pairs[20 * n][1] for n in range(len(wrong))]


def test_one_very_long_line_changes_nothing_else(nmt: Run, tmp_path: Path) -> None:
    pairs = with_faults(CLEAN)
    before = clean(nmt, tmp_path, pairs)
    after = clean(nmt, tmp_path, [*pairs, ("x " * 300, "y " * 100_000)])
    assert after["removed"] == before["removed"] | {"too_long": 1}


def test_unreadable_lines_are_removed(nmt: Run, tmp_path: Path) -> None:
    path = tmp_path / "pairs.en-de.tsv"
    lines = [f"{source}\t{target}".encode() for source, target in CLEAN]
    lines[0], lines[7], lines[9] = b"\xe9\tfirst", b"caf\xe9\tx", b"no tab"
    path.write_bytes(b"\n".join(lines))
    result = nmt("clean", path, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert [row[:2] for row in rejected(tmp_path)] == [
        [line, "unreadable"] for line in ("1", "8", "10")
    ]
    assert rejected(tmp_path)[-1][3:] == ["no tab", ""]
    assert "warning" not in result.err
    path.write_bytes(b"\n".join([*lines[:8], *[b"\xe9\tx"] * 10]))  # as in another encoding
    result = nmt("clean", path, "-o", tmp_path / "bad")
    assert "warning: 12 of 18 lines cannot be read; " in result.err
    assert "`iconv -f WINDOWS-1252 -t UTF-8`" in result.err
    assert read(tmp_path) == [pair for n, pair in enumerate(CLEAN) if n not in (0, 7, 9)]


@pytest.mark.parametrize("is_sgm", [False, True])
def test_documents_stay_apart(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sgm: bool
) -> None:
    """Whatever pairs at their ends are removed, in blocks of any size."""
    texts = [CLEAN[start : start + 1 + start % 5] for start in range(0, 70, 7)]
    texts[1][0], texts[3][-1], texts[5] = ("a", ""), ("a", "a"), [("", "a")]
    paths = write(tmp_path, [pair for text in texts for pair in (*text, ("", ""))])
    if is_sgm:
        paths = tmp_path / "c.en.sgm", tmp_path / "c.de.sgm"
        for side, path in enumerate(paths):
            found = ("".join(f"<seg>{pair[side]}</seg>\n" for pair in text) for text in texts)
            path.write_text("".join(f"<doc>\n{own}" for own in found))
    monkeypatch.setattr(encode, "CHUNK_PAIRS", 3)
    assert nmt("clean", *paths, "-o", tmp_path / "out").code == 0
    bad = {(row[3], row[4]) for row in rejected(tmp_path)}
    left = [[pair for pair in text if pair not in bad] for text in texts]
    assert read(tmp_path).count(("", "")) == len(documents(read(tmp_path))) - 1
    assert documents(read(tmp_path)) == [*filter(None, left)]


def test_nothing_is_written_if_files_do_not_align_or_nothing_is_left(
    nmt: Run, tmp_path: Path
) -> None:
    source, target = write(tmp_path, CLEAN)
    utf_16 = target.read_text("utf-8").encode("utf-16")
    for contents, message in (
        ((source.read_bytes(), utf_16), "iconv -f UTF-16 -t UTF-8"),
        ((b"\ny\n", b"x\n\n"), "is left; the most frequent reason: pairs with an empty side"),
        ((b"", b""), "has no lines"),
        ((b"I am.\nYou are.\n",), "line 1: no tab between source and target"),
    ):
        paths = (source, target)[: len(contents)]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        result = nmt("clean", *paths, "-o", tmp_path / "out")
        assert (result.code, message in result.err) == (1, True)
    assert not [*tmp_path.glob("*out*")]


def test_cleaning_the_result_again_removes_nothing(nmt: Run, tmp_path: Path) -> None:
    """Many pairs are too long by more or less, so that lengths vary less when some are gone."""
    draw = random.Random(1)
    pairs = [
        (source, f"{target}{' mann' * max(0, draw.randrange(-60, 20))}")
        for source, target in with_faults(corpus(900))
    ]
    for options in ((), ("--limit", "sample_pairs=100")):
        assert clean(nmt, tmp_path, pairs, *options)["removed"]["length_ratio"] > 1
        left = read(tmp_path)
        (tmp_path / "again").mkdir(exist_ok=True)
        assert clean(nmt, tmp_path / "again", left, *options)["kept"] == len(left)


@pytest.fixture(scope="module")
def reverse_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model that translates back what `skilled_run` translates."""
    return train_reverse_skilled(tmp_path_factory.mktemp("reverse"))


@pytest.fixture
def pairs(skilled_run: Path) -> Pairs:
    """Return the dev set of the models, and then sources with the targets of others."""
    folder = skilled_run.parents[1]
    source, target = (
        (folder / f"train.{side}").read_text().splitlines() for side in ("src", "tgt")
    )
    good = [*dict.fromkeys(zip(source, target, strict=True))][:60]
    turned = [(source, good[index - 7][1]) for index, (source, _) in enumerate(good)]
    return [*good, *turned]


def test_pairs_that_do_not_belong_together_have_lower_scores(
    nmt: Run, tmp_path: Path, pairs: Pairs, skilled_run: Path, reverse_run: Path
) -> None:
    options = ["--only", "", "--model", skilled_run, "--reverse-model", reverse_run, "--json"]
    files = write(tmp_path, pairs)
    result = nmt("clean", *files, "-o", tmp_path / "out", *options, "--keep-share", 0.5, "--scores")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert (report["kept"], report["scored"]) == (60, 120)
    assert "60  cross_entropy  pairs that two models" in result.err
    rows = [line.split("\t") for line in (tmp_path / "out.scores.tsv").read_text().splitlines()]
    scores = [float(row[1]) for row in rows[1:]]
    assert [int(row[0]) for row in rows[1:]] == [*range(1, 121)]
    better = sum(good > bad for good, bad in zip(scores[:60], scores[60:], strict=True))
    assert better >= 50
    kept = (tmp_path / "out.en").read_text().splitlines()
    assert sum(line in kept for line in (source for source, _ in pairs[:60])) >= 50
    assert "nats per target token" in rejected(tmp_path)[0][2]
    # A threshold at the lowest score that was kept keeps the same pairs, in one reading.
    least = report["lowest_score"] - 1e-6
    assert nmt("clean", *files, "-o", tmp_path / "x", *options, "--least-score", least).code == 0
    assert (tmp_path / "x.en").read_text().splitlines() == kept


def test_a_threshold_above_all_scores_is_refused(
    nmt: Run, tmp_path: Path, pairs: Pairs, skilled_run: Path, reverse_run: Path
) -> None:
    given = ["--model", skilled_run, "--reverse-model", reverse_run, "--least-score", 1]
    result = nmt("clean", *write(tmp_path, pairs), "-o", tmp_path / "out", *given)
    assert (result.code, "is left; give another --least-score" in result.err) == (1, True)
    assert not [*tmp_path.glob("out*")]


def test_the_texts_of_a_model_state_its_direction(tmp_path: Path) -> None:
    forward, reverse = save_directions(tmp_path)
    load_scorers(Models(forward, reverse, "cpu"), ("en", "de"))
    with pytest.raises(NmtError, match="translates de-en, but --model must translate en-de"):
        load_scorers(Models(reverse, forward, "cpu"), ("en", "de"))
    both = saved(two_languages(), tmp_path / "both.safetensors")
    load_scorers(Models(both, both, "cpu"), ("de", "en"))
    with pytest.raises(NmtError, match="but --reverse-model must translate de-en"):
        load_scorers(Models(forward, forward, "cpu"), ("en", "de"))
