"""A folder of translations: which files go into it, and its record on a full disk."""

import errno
import os
from pathlib import Path

import pytest

from nmt.documents.folders import RECORD, find_files, open_record
from nmt.documents.registry import Job
from nmt.errors import NmtError

FULL = Path("/dev/full")  # takes no byte
PICTURE = "more/picture.png"


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("given", "include", "exclude", "expected"),
    [
        ("docs", (), (), ["a.txt", "more/b.txt", PICTURE]),
        ("docs/**/b.*", (), (), ["more/b.txt"]),
        ("docs", ["*.txt"], ["more"], ["a.txt"]),
        ("./docs/../docs", (), ["*/*"], ["a.txt"]),
        ("docs", (), ["./more"], ["a.txt"]),
        ("docs", (), ["docs/more"], ["a.txt"]),
        ("docs", (), ["docs/more/*"], ["a.txt"]),
    ],
)
def test_files_and_patterns_are_chosen(
    given: str, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    """Hidden files are left out; a folder is excluded by its name or path."""
    jobs = find_files([Path(given)], Path("de"), include=include, exclude=exclude)
    assert [job.output.relative_to("de").as_posix() for job in jobs] == expected


@pytest.mark.usefixtures("tree")
def test_a_folder_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "more":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    for given in ("docs", "docs/**/*.txt"):
        with pytest.raises(NmtError, match="cannot read the folder docs/more: Permission denied"):
            find_files([Path(given)], Path("de"))
    assert len(find_files([Path("docs")], Path("de"), exclude=["more"])) == 1


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_error(tmp_path: Path) -> None:
    (tmp_path / RECORD).symlink_to(FULL)
    job = Job(tmp_path / "a.txt", tmp_path / "b.txt", None)
    with (
        pytest.raises(NmtError, match=r"cannot write .*No space left"),
        open_record(tmp_path, "work") as record,
    ):
        record.add(job, "digest", "digest")


def test_a_link_that_leads_nowhere_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new")
    with open_record(tmp_path / "link", "work"):
        assert (tmp_path / "new" / RECORD).is_file()
