"""`nmt clean`: bad pairs are repaired or removed, with a reason, and nothing is lost."""

import gzip
import json
import lzma
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora import examine as examined
from nmt.corpora.findings import ALWAYS, DEFAULT_FILTERS
from nmt.text import encode
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write

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
    result = nmt("clean", *write(folder, pairs), "-o", folder / "out", "--json", *options)
    assert result.code == 0, result.err
    report: dict[str, Any] = json.loads(result.out)
    assert report["pairs"] == len(pairs) == report["kept"] + sum(report["removed"].values())
    return report


def with_faults(pairs: Pairs) -> Pairs:
    """Return pairs of which one in twenty, from the tenth on, has a fault of its own kind."""
    damaged = [*pairs]
    source, target = pairs[10]
    for place, pair in enumerate(
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
        damaged[10 + 20 * place] = pair
    return damaged


KINDS = (
    *("empty", "replacement", "mojibake", "markup", "copied", "script", "language"),
    *("length_ratio", "duplicates", "near_duplicates"),
)


def test_each_fault_is_removed_with_its_reason_and_the_others_are_kept(
    nmt: Run, tmp_path: Path
) -> None:
    pairs = with_faults(CLEAN)
    report = clean(nmt, tmp_path, pairs)
    bad = rejected(tmp_path)
    assert [(int(line), kind) for line, kind, *_ in bad] == [
        (11 + 20 * place, kind) for place, kind in enumerate(KINDS)
    ]
    assert all(reason for _, _, reason, *_ in bad)
    assert Counter(pairs) == Counter([*read(tmp_path), *((row[3], row[4]) for row in bad)])
    assert read(tmp_path) == [pair for n, pair in enumerate(pairs) if n % 20 != 10 or n > 190]
    assert report["removed"] == {name: int(name in KINDS) for name in (*ALWAYS, *DEFAULT_FILTERS)}


def test_the_table_counts_what_each_filter_removed(nmt: Run, tmp_path: Path) -> None:
    result = nmt("clean", *write(tmp_path, with_faults(CLEAN)), "-o", tmp_path / "out")
    assert (result.code, result.out) == (0, "")
    assert "400 pairs: 390 kept, 10 removed" in result.err
    rows = [line.split(maxsplit=2) for line in result.err.splitlines()]
    assert ["1", "markup", "pairs with HTML: tags or character references"] in rows
    assert f"{tmp_path}/out.rejected.tsv" in result.err


def test_filters_are_chosen(nmt: Run, tmp_path: Path) -> None:
    pairs = with_faults(CLEAN)
    clean(nmt, tmp_path, pairs, "--only", "copied, near_duplicates")
    kinds = [row[1] for row in rejected(tmp_path)]
    assert kinds == ["empty", "copied", "near_duplicates", "near_duplicates"]
    clean(nmt, tmp_path, pairs, "--without", "copied,near_duplicates")
    assert [row[1] for row in rejected(tmp_path)] == [
        kind for kind in KINDS if kind not in ("copied", "near_duplicates")
    ]
    clean(nmt, tmp_path, pairs, "--only", "")
    assert [row[1] for row in rejected(tmp_path)] == ["empty"]


def test_filters_that_are_off_by_default_can_be_added(nmt: Run, tmp_path: Path) -> None:
    pairs = [*CLEAN]
    for place, (source, target) in {7: ("room 101", "zimmer 102"), 9: ("who?", "wer.")}.items():
        pairs[place] = (f"{pairs[place][0]} {source}", f"{pairs[place][1]} {target}")
    clean(nmt, tmp_path, pairs)
    assert rejected(tmp_path) == []
    clean(nmt, tmp_path, pairs, "--also", "question,numbers")
    assert [row[1] for row in rejected(tmp_path)] == ["numbers", "question"]
    clean(nmt, tmp_path, pairs, "--only", "numbers")
    assert [row[1] for row in rejected(tmp_path)] == ["numbers"]


def test_text_is_repaired_unless_that_is_forbidden(nmt: Run, tmp_path: Path) -> None:
    pairs = [*CLEAN]
    source, target = pairs[20]
    pairs[20] = (f"  {source}\u00a0e\u200b\u0301 ", f"\u200b{target}\x07\x0b\u00e9")
    report = clean(nmt, tmp_path, pairs)
    assert read(tmp_path)[20] == (f"{source} \u00e9", f"{target} \u00e9")
    assert report["repaired"] == {
        "normal_form": 1,
        "control": 1,
        "invisible": 1,
        "spaces": 1,
    }
    assert clean(nmt, tmp_path, read(tmp_path))["repaired"] == {}
    report = clean(nmt, tmp_path, pairs, "--no-repair")
    assert report["repaired"] == {}
    ((line, kind, reason, *sides),) = rejected(tmp_path)
    assert (line, kind, sides) == ("21", "control", [*pairs[20]])
    assert reason == "U+0007 in the target; U+200B in the source"


def test_mojibake_is_repaired_by_ftfy(nmt: Run, tmp_path: Path) -> None:
    pytest.importorskip("ftfy")
    pairs = with_faults(CLEAN)
    report = clean(nmt, tmp_path, pairs, "--ftfy")
    assert (report["repaired"], report["removed"]["mojibake"]) == ({"mojibake": 1}, 0)
    assert read(tmp_path)[48][1].endswith(" sch\u00f6n")


def test_mojibake_is_removed_before_repairs_destroy_it(nmt: Run, tmp_path: Path) -> None:
    """Its second character may be a control character or a space, which repairs would remove."""
    pairs, wrong = (
        [*CLEAN],
        ["gro\u00c3\x9f", "\u00c3\u00a0 la carte", "Das\u00c2\u00a0Haus", "so\u00e2\u20ac\x9d"],
    )
    for place, word in enumerate(wrong):
        source, target = pairs[20 * place]
        pairs[20 * place] = (source, f"{target[: -len(word) - 1]} {word}")
    report = clean(nmt, tmp_path, pairs)
    assert report["removed"]["mojibake"] == report["pairs"] - report["kept"] == len(wrong)
    assert [row[4] for row in rejected(tmp_path)] == [pairs[20 * n][1] for n in range(len(wrong))]
    kept = clean(nmt, tmp_path, pairs, "--only", "duplicates")
    assert kept["kept"] == len(pairs)
    assert read(tmp_path)[0] == pairs[0]


@pytest.mark.parametrize("words", [20_000, 400_000])
def test_one_very_long_line_changes_nothing_else(nmt: Run, tmp_path: Path, words: int) -> None:
    pairs = with_faults(corpus(400))
    before = clean(nmt, tmp_path, pairs)
    after = clean(nmt, tmp_path, [*pairs, ("x " * 300, "y " * words)])
    assert after["removed"] == before["removed"] | {"too_long": 1}


def test_processes_and_blocks_change_nothing(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [*with_faults(CLEAN), *CLEAN[200:], *with_faults(CLEAN[:200])]
    report = clean(nmt, tmp_path, pairs)
    files = [tmp_path / f"out.{each}" for each in ("en", "de", "rejected.tsv")]
    before = [path.read_bytes() for path in files]
    monkeypatch.setattr(encode, "CHUNK_PAIRS", 37)
    assert clean(nmt, tmp_path, pairs) == report
    assert [path.read_bytes() for path in files] == before
    monkeypatch.setattr(encode, "CHUNK_PAIRS", 300)
    monkeypatch.setattr(examined, "CHUNKS_ALONE", 0)
    assert clean(nmt, tmp_path, pairs) == report
    assert [path.read_bytes() for path in files] == before


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
    assert read(tmp_path) == [pair for n, pair in enumerate(CLEAN) if n not in (0, 7, 9)]


def test_a_file_in_another_encoding_is_explained(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, CLEAN)
    target.write_text(target.read_text("utf-8"), encoding="utf-16")
    result = nmt("clean", source, target, "-o", tmp_path / "out")
    assert result.code == 1
    assert "iconv -f UTF-16 -t UTF-8" in result.err
    assert not [*tmp_path.glob("out*")]


@pytest.mark.parametrize(
    ("ending", "pack", "unpack"),
    [(".gz", gzip.compress, gzip.decompress), (".xz", lzma.compress, lzma.decompress)],
    ids=["gz", "xz"],
)
def test_packed_files_are_read_and_written(
    nmt: Run, tmp_path: Path, ending: str, pack: Any, unpack: Any
) -> None:
    paths = []
    for path in write(tmp_path, CLEAN):
        paths.append(path.with_name(path.name + ending))
        paths[-1].write_bytes(pack(path.read_bytes()))
    assert nmt("clean", *paths, "-o", tmp_path / "out").code == 0
    for path in paths:
        written = (tmp_path / f"out{''.join(path.suffixes)}").read_bytes()
        assert unpack(written) == unpack(path.read_bytes())


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--only", "copeid"], 2, "copied"),
        (["--without", "empty"], 2, "always removed"),
        (["--also", "number"], 2, "numbers"),
        (["--no-repair", "--ftfy"], 2, "--no-repair forbids it"),
        (["--limit", "max_deviaton=2"], 2, "max_deviation"),
        (["--limit", "slip_evidence=3"], 2, "has no effect here: it is for `nmt check`"),
        (["--limit", "most_word_characters=3"], 2, "the filter long_word is off"),
        (["--only", "copied", "--limit", "max_deviation=3"], 2, "the filter length_ratio is off"),
        (["--only", "duplicates", "--without", "copied"], 2, "--only leaves it out already"),
        (["--without", "numbers"], 2, "this filter is off unless --also adds it"),
        (["--also", "numbers", "--without", "numbers"], 2, "--also names it"),
        (["--only", "copied", "--without", "copied"], 2, "--only names it"),
        (["--also", "copied"], 2, "this filter is on already"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_mistakes_are_explained(
    nmt: Run, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    result = nmt("clean", *write(tmp_path, CLEAN[:9]), "-o", tmp_path / "out", *options)
    assert (result.code, message in result.err) == (code, True)
    assert not [*tmp_path.glob("*out*")]


def test_a_folder_without_a_slash_is_no_prefix(nmt: Run, tmp_path: Path) -> None:
    """The files would be hidden."""
    result = nmt("clean", *write(tmp_path, CLEAN[:9]), "-o", f"{tmp_path}/.")
    assert (result.code, "/. is a folder; add a slash" in result.err) == (2, True)


def test_nothing_is_written_if_files_do_not_align_or_nothing_is_left(
    nmt: Run, tmp_path: Path
) -> None:
    files = write(tmp_path, CLEAN)
    with files[0].open("a") as stream:
        stream.write("one more\n")
    result = nmt("clean", *files, "-o", tmp_path / "out")
    assert result.code == 1
    assert "401 lines" in result.err
    files = write(tmp_path, [("", "x"), ("y", "")])
    result = nmt("clean", *files, "-o", tmp_path / "out")
    assert result.code == 1
    assert "is left; the most frequent reason: pairs with an empty side" in result.err
    result = nmt("clean", *write(tmp_path, []), "-o", tmp_path / "out")
    assert (result.code, "has no lines" in result.err) == (1, True)
    assert not [*tmp_path.glob("*out*")]


def test_a_name_that_is_not_utf_8_is_escaped_in_reports(nmt: Run, tmp_path: Path) -> None:
    names = [Path(os.fsdecode(b"caf\xe9.en")), Path(os.fsdecode(b"caf\xe9.de"))]
    for path, name in zip(write(tmp_path, CLEAN), names, strict=True):
        path.rename(name)
    cleaned = nmt("clean", *names, "-o", tmp_path / "out", "--json")
    assert cleaned.code == 0, cleaned.err
    assert json.loads(cleaned.out)["files"] == ["caf\\xe9.en", "caf\\xe9.de"]
    checked = nmt("check", *names, "--html", "page.html", "--json")
    assert checked.code == 0, checked.err
    assert "caf\\\\xe9.en" in checked.out
    assert "caf\\\\xe9.en" in Path("page.html").read_text("utf-8")


def test_the_corpus_itself_is_never_replaced(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, CLEAN)
    result = nmt("clean", *files, "-o", tmp_path / "c")
    assert (result.code, "is an input of this command" in result.err) == (2, True)


@pytest.mark.parametrize("sample_pairs", [20_000, 100])
def test_cleaning_the_result_again_removes_nothing(
    nmt: Run, tmp_path: Path, sample_pairs: int
) -> None:
    """Many pairs are too long by more or less, so that lengths vary less when some are gone."""
    draw = random.Random(1)
    pairs = [
        (source, f"{target}{' mann' * max(0, draw.randrange(-60, 20))}")
        for source, target in with_faults(corpus(900))
    ]
    options = ("--limit", f"sample_pairs={sample_pairs}")
    assert clean(nmt, tmp_path, pairs, *options)["removed"]["length_ratio"] > 1
    left = read(tmp_path)
    (tmp_path / "again").mkdir()
    again = clean(nmt, tmp_path / "again", left, *options)
    assert again["kept"] == len(left)
