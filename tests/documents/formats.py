"""Contents of each format as programs write them, for the tests of what all formats promise."""

from nmt.documents.document import Document, Options
from nmt.documents.registry import FORMATS, find_format
from tests.documents.office.test_epub import book
from tests.documents.samples import SAMPLES

CONTENTS: dict[str, list[bytes]] = {}  # by format
for path in sorted(SAMPLES.glob("*.*")):
    file_format = FORMATS["text"] if path.suffix == ".txt" else find_format(path, None)
    if file_format is not None:
        CONTENTS.setdefault(file_format.name, []).append(path.read_bytes())
CONTENTS["lines"] = CONTENTS["text"]
CONTENTS["epub"] = [book()]
PACKAGES = [name for name, file_format in FORMATS.items() if file_format.is_binary]
TEXTS = [name for name, file_format in FORMATS.items() if not file_format.is_binary]
BILINGUAL = {"po", "xliff", "qt", "tmx"}  # a translation is written beside its source
OPTIONS = Options("en", "de", columns=("2",))
ALL = Options("en", "ru", translates_all=True)


def read(name: str, content: bytes, options: Options = OPTIONS) -> Document:
    return FORMATS[name].read(content, options)
