"""Language codes in the names of files."""

from pathlib import Path

import pytest

from nmt.text.languages import is_language, language_in_name, languages_in_names


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("train.de", "de"),
        ("train.de.gz", "de"),
        ("a.en.txt.xz", "en"),
        ("news.zh-Hans", "zh"),
        ("no", "no"),
        ("train.src", ""),
        ("train.tok", ""),
        ("train.qq", ""),
        ("train.DE", ""),
        ("train", ""),
        (".gz", ""),
    ],
)
def test_a_language_is_the_ending_of_a_name(name: str, language: str) -> None:
    assert language_in_name(Path(name)) == language


def test_a_tsv_file_names_two_languages() -> None:
    assert languages_in_names([Path("x/pairs.en-de.tsv.gz")]) == ("en", "de")
    assert languages_in_names([Path("nl_fr.txt")]) == ("nl", "fr")
    for name in ("pairs.tsv", "pairs.en-xx.tsv", "ten-der.tsv", "a-b.tsv"):
        assert languages_in_names([Path(name)]) == ("", "")


def test_codes() -> None:
    assert all(map(is_language, ("de", "deu", "gsw")))
    assert not any(map(is_language, ("", "d", "qq", "DE", "germ", "d1", "de\n", "de-AT")))
