"""Small files of each format, for the manual's lines that translate them."""

from pathlib import Path

from tests.documents.formats import CONTENTS

SUBTITLE = "00:00:01{}000 --> 00:00:03{}000\nsun <i>moon</i>\n"
MESSAGES = (
    'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "sun"\nmsgstr ""\n'
)
TMX = """<?xml version="1.0"?>
<tmx version="1.4"><header srclang="src" datatype="plaintext" segtype="sentence" adminlang="en"
 creationtool="x" creationtoolversion="1" o-tmf="x"/><body>
<tu><tuv xml:lang="src"><seg>sun</seg></tuv><tuv xml:lang="tgt"><seg>SUN</seg></tuv></tu>
</body></tmx>
"""
XLIFF = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a" source-language="en" target-language="de" datatype="plaintext"><body>
<trans-unit id="1"><source>sun</source></trans-unit></body></file></xliff>
"""
QT = """<?xml version="1.0"?><!DOCTYPE TS>
<TS version="2.1" language="de"><context><name>A</name><message><source>sun</source>
<translation type="unfinished"></translation></message></context></TS>
"""
STRINGSDICT = """<?xml version="1.0"?><plist version="1.0"><dict><key>suns</key><dict>
<key>NSStringLocalizedFormatKey</key><string>sun moon</string></dict></dict></plist>
"""
TEXTS = {
    ".md": "# sun\n\nmoon *star*\n",
    ".html": "<html lang=en><p>sun <b>moon</b></p></html>\n",
    ".srt": "1\n" + SUBTITLE.format(",", ","),
    ".vtt": "WEBVTT\n\n" + SUBTITLE.format(".", "."),
    ".po": MESSAGES,
    ".pot": MESSAGES,
    ".tmx": TMX,
    ".xlf": XLIFF,
    ".ts": QT,
    ".json": '{"menu": {"open": "sun moon"}}\n',
    ".yml": "en:\n  open: sun moon\n",
    ".properties": "open=sun moon\n",
    ".xml": '<resources><string name="open">sun moon</string></resources>\n',
    ".stringsdict": STRINGSDICT,
    ".strings": '"open" = "sun moon";\n',
    ".csv": "id,name,description\n1,sun,moon star\n",
}


def sample(path: Path) -> bytes | None:
    """Return the content of a small file with such a name; None if it has no format."""
    if path.suffix in (".docx", ".odt", ".pptx", ".epub"):
        return CONTENTS[path.suffix[1:]][0]
    text = TEXTS.get(path.suffix)
    return None if text is None else text.encode()
