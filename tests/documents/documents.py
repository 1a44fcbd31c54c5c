"""Take documents that are zip files apart, and put them together."""

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile


def members(content: bytes) -> dict[str, bytes]:
    """Return the content of each member of a zip file."""
    with ZipFile(BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(content: dict[str, bytes]) -> bytes:
    """Return a zip file of some members."""
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as target:
        for name, each in content.items():
            target.writestr(name, each)
    return file.getvalue()
