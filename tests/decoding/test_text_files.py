"""Files that translations are written to."""

from pathlib import Path

import pytest

from nmt.decoding.files.text_files import Output
from nmt.errors import NmtError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported_with_the_file() -> None:
    path = Path("/dev/full")
    stream = path.open("w", encoding="utf-8")
    with pytest.raises(NmtError, match="cannot write /dev/full: No space left on device"):
        Output(stream, path).write(["a line\n"], 1)
    with pytest.raises(OSError, match="No space"):
        stream.close()
