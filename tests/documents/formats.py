"""Contents of each format as programs write them, for the tests of what all formats promise."""

from nmt.documents.document import Document, Options
from nmt.documents.registry import FORMATS, find_format
from tests.documents.office.test_epub import book
from tests.documents.samples import SAMPLES

CONTENTS: dict[str, list[bytes]] = {}  # by format
for path in sorted(SAMPLES.glob("*.*")):
    form = FORMATS["text"] if path.suffix == ".txt" else find_format(path, None)
    if form is not None:
        CONTENTS.setdefault(form.name, []).append(path.read_bytes())
CONTENTS["lines"] = CONTENTS["text"]
CONTENTS["epub"] = [book()]
PACKAGES = [name for name, form in FORMATS.items() if form.is_binary]
TEXTS = [name for name, form in FORMATS.items() if not form.is_binary]
BILINGUAL = {"po", "xliff", "qt", "tmx"}  # a translation is written beside its source
OPTIONS = Options("en", "de", columns=("2",))
ALL = Options("en", "ru", translates_all=True)


def read(name: str, content: bytes, options: Options = OPTIONS) -> Document:
    return FORMATS[name].read(content, options)
