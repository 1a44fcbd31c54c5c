"""Aligned pairs, the data folder that holds them, what it downloads, languages in its names."""

import gzip
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
import requests

from nmt.config import DataSettings, Download, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.system import files
from nmt.text.reading.corpus import DataFolder, Pair, align_columns, read_aligned
from nmt.text.reading.download import Advice, check_answer, stated_sha256
from nmt.text.reading.languages import (
    is_language,
    language_in_name,
    language_of_file,
    languages_in_names,
)
from tests.text.conftest import write

RECIPE = Recipe("some")


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (b"1\n2\n3\n", b"1\n", "left has 3 lines but .*right has 1.*right ends after line 1"),
        (b"", b"1\n2\n", "left has 0 lines but .*right has 2.*left ends after line 0"),
        (b"1\n2", b"1\n2\n\n", "left has 2 lines but .*right has 3.*left ends after line 2"),
    ],
)
def test_misaligned_files_are_told_with_both_counts_and_the_place(
    tmp_path: Path, left: bytes, right: bytes, message: str
) -> None:
    paths = write(tmp_path / "left", left), write(tmp_path / "right", right)
    with pytest.raises(NmtError, match=message):
        list(read_aligned(paths))


def test_blank_lines_stay_aligned(tmp_path: Path) -> None:
    paths = write(tmp_path / "l", b"a\n\nc\n"), write(tmp_path / "r", b"A\nB\n\n")
    assert list(read_aligned(paths)) == [Pair("a", "A"), Pair("", "B"), Pair("c", "")]


def test_the_first_two_columns_of_a_tsv_are_read(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv.gz", gzip.compress(b"a b\tA B\tnote\r\n\tB\n\n"))
    pairs = DataFolder(tmp_path).text(TextFiles(tsv="x.tsv.gz"), RECIPE).pairs()
    assert list(pairs) == [Pair("a b", "A B"), Pair("", "B"), Pair("", "")]
    write(tmp_path / "x.tsv", b"a\tA\nb B\n")
    with pytest.raises(NmtError, match=r"x\.tsv, line 2: no tab"):
        list(DataFolder(tmp_path).text(TextFiles(tsv="x.tsv"), RECIPE).pairs())


def test_columns_of_one_file_make_several_corpora(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv", b"a\tA\t1\n\nb\tB\t2\nc\tC\n")
    pairs = DataFolder(tmp_path).text(TextFiles(tsv="x.tsv", columns=(3, 1)), RECIPE).pairs()
    assert [next(pairs) for _ in range(3)] == [Pair("1", "a"), Pair("", ""), Pair("2", "b")]
    with pytest.raises(
        NmtError, match=r"x\.tsv, line 4: no column 3; add it, or correct `columns`"
    ):
        next(pairs)


def test_the_error_for_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with pytest.raises(NmtError, match=r"none\.de does not exist; .*--data-dir"):
        folder.find("none.de", RECIPE)
    archive = Download(url="http://x", to="in/y.tgz", unpack=("deep/y.en", "deep/y.de"))
    plain = Download(url="http://x", to="z.en")
    fetched = Recipe("far", data=DataSettings(downloads=(archive, plain)))
    for name in ("in/y.tgz", "in/deep/y.de", "z.en"):
        fix = f"`nmt fetch RECIPE --data-dir {tmp_path}` with this recipe downloads it"
        with pytest.raises(NmtError, match=f"{name} does not exist; {fix}"):
            folder.find(name, fetched)
    with pytest.raises(NmtError, match=r"other\.en does not exist; put it there, or"):
        folder.find("other.en", fetched)


def test_the_users_file_takes_precedence_over_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus fetched into the checkout is not embedded: an installed wheel finds none there."""
    own, elsewhere = write(tmp_path / "sample.en", b"mine\n"), DataFolder(tmp_path / "elsewhere")
    assert DataFolder(tmp_path).find("sample.en", RECIPE) == own
    assert elsewhere.find("sample.en", RECIPE).is_file()
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "nmt")
    for name in ("fetched", "pocket"):
        (tmp_path / "data" / name).mkdir(parents=True)
        write(tmp_path / "data" / name / "train.en", b"a\n")
    assert elsewhere.find("pocket/train.en", RECIPE) == tmp_path / "data/pocket/train.en"
    with pytest.raises(NmtError, match=r"elsewhere/fetched/train\.en does not exist"):
        elsewhere.find("fetched/train.en", RECIPE)


def test_more_than_two_texts_align() -> None:
    assert list(align_columns("abc", [["1"], ["2"], ["3"]])) == [("1", "2", "3")]
    with pytest.raises(NmtError, match="a has 1 lines but c has 3: a ends after line 1 while c"):
        list(align_columns("abc", [["1"], ["2"], ["3", "4", "5"]]))


def test_a_corpus_cannot_be_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NmtError, match=r"pipe is a pipe or a device.* save it in a file"):
        DataFolder(tmp_path).find("pipe", RECIPE)
    with pytest.raises(NmtError, match="is a folder, not a file"):
        DataFolder(tmp_path.parent).find(tmp_path.name, RECIPE)


@pytest.mark.parametrize(
    ("url", "target", "is_safe"),
    [
        *(("https://a/x", "https://b/y", True), ("https://a/x", "/y", True)),
        *(("http://a/x", "https://b/y", True), ("http://a/x", "http://b/y", True)),
        *(("https://a/x", "HTTP://a/x", False), ("https://a/x", "file:///x", False)),
    ],
)
def test_encryption_is_not_given_up(url: str, target: str, is_safe: bool) -> None:
    answer = requests.Response()
    answer.status_code, answer.url, answer.headers["Location"] = 302, url, target
    with nullcontext() if is_safe else pytest.raises(NmtError, match="is not safe"):
        check_answer(answer, url=url, sha256="", advice=Advice())


def test_only_a_sha256_counts_as_stated() -> None:
    """A hub states the SHA-1 of small files in the same way."""
    response = requests.Response()
    quoted = f'"{"b" * 64}"'
    for header, stated in {"a" * 64: "a" * 64, quoted: "b" * 64, 'W/"x"': "", "c" * 40: ""}.items():
        response.headers["X-Linked-Etag"] = header
        assert stated_sha256(response) == stated


def test_a_language_is_the_ending_of_a_name() -> None:
    names = {"train.de": "de", "train.de.gz": "de", "a.en.txt.xz": "en", "news.zh-Hans": "zh"}
    names |= dict.fromkeys(("train.src", "train.tok", "train.qq", "train.DE", "train", ".gz"), "")
    for name, language in {**names, "no": "no"}.items():
        assert language_in_name(Path(name)) == language, name


def test_the_name_of_a_document_states_one_language() -> None:
    names = {"a.de": "de", "a.de-AT.docx": "de", "a.en.html.gz": "en", "a.en.txt": "en"}
    names |= dict.fromkeys(("a.docx", "-", "pairs.de-en.tsv", "de-en.csv", "my.report.md"), "")
    names |= dict.fromkeys(("a.de.po", "de.pot", "de.ts", "a.de.xlf", "de.tmx.gz"), "")  # a target
    assert {name: language_of_file(Path(name)) for name in names} == names


def test_a_tsv_file_names_two_languages() -> None:
    assert languages_in_names([Path("x/pairs.en-de.tsv.gz")]) == ("en", "de")
    assert languages_in_names([Path("nl_fr.txt")]) == ("nl", "fr")
    for name in ("pairs.tsv", "pairs.en-xx.tsv", "ten-der.tsv", "a-b.tsv"):
        assert languages_in_names([Path(name)]) == ("", "")


def test_codes() -> None:
    assert all(map(is_language, ("de", "deu", "gsw")))
    assert not any(map(is_language, ("", "d", "qq", "DE", "germ", "d1", "de\n", "de-AT")))
