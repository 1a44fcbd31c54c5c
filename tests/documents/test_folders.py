"""The record of an output folder on a full disk."""

from pathlib import Path

import pytest

from nmt.documents.folders import RECORD, open_record
from nmt.documents.registry import Job
from nmt.errors import NmtError

FULL = Path("/dev/full")  # takes no byte


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
