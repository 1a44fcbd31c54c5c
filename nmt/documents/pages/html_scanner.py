"""Cut HTML into tags, texts and what stays as it is.

The tokens together are the text, whatever it holds. The time grows with the length of the text, not
with its square: clients of a server choose texts.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from nmt.documents.pages.page import Role


def names(words: str) -> frozenset[str]:
    """Return the names in a text with spaces between them."""
    return frozenset(words.split())


# Parts of a sentence. What is not named here divides texts, as <p> and unknown elements do.
INLINE = names(
    "a abbr acronym b bdi bdo big blink cite data del dfn em font i ins mark nobr output q rb rp rt"
    " ruby s slot small span strike strong sub sup time tt u"
    " br img input wbr"
)
VOID = names("area base br col embed hr img input link meta param source track wbr")
VOID_INLINE = VOID & INLINE

# Elements that stay as they are, in a sentence ...
OPAQUE_INLINE = names("code kbd math samp svg tt var")
NO_WORD = names("svg")  # ... though not as words of it
# ... and elsewhere.
RAW_TEXT = names("iframe noembed noframes script style textarea xmp")  # holds no tags
OPAQUE_BLOCKS = RAW_TEXT | names("noscript pre template")
OPAQUE = OPAQUE_INLINE | OPAQUE_BLOCKS
WORDS = OPAQUE_INLINE | (INLINE - VOID)  # stand in a sentence if they stay as they are

HEADINGS = names("h1 h2 h3 h4 h5 h6 title")
LABELS = names("button label legend option title")  # never several sentences

# Attributes that people read, on any element and on some.
READ = names("alt aria-description aria-label placeholder title")
READ_ON = {
    "optgroup": names("label"),
    "option": names("label"),
    "track": names("label"),
    "table": names("summary"),
}
BUTTONS = names("button reset submit")  # types of <input> that show their value
READ_META = names(
    "description keywords og:title og:description og:image:alt twitter:title twitter:description"
    " twitter:image:alt"
)


BEGINS_MARKUP = re.compile(r"<(?=/?[a-zA-Z]|!|\?)")
# A declaration, an instruction, or a tag. As in HTML, a quotation mark begins a value only after
# "=", so that an apostrophe elsewhere does not swallow the text.
MARKUP = re.compile(r"<[!?][^>]*>|</?[a-zA-Z](?>[^>=]|=\s*+(?:\"[^\"]*\"|'[^']*')?)*+>")
NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
ATTRIBUTE = re.compile(
    r"([^\s/>=\"'][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"'][^\s>]*)))?"
)
# Sections that end at more than ">", by how they begin. "<?xml:namespace ... />" is none of them.
SECTIONS = (
    (re.compile(r"<!--"), re.compile(r"--!?>")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"]]>")),
    (re.compile(r"<\?xml[\s-]"), re.compile(r"\?>")),
)


SCRIPT = re.compile(r"<!--(?!-?>)|-->|<(/?)script(?=[\s/>])[^<>]*>?", re.IGNORECASE)


class Token(NamedTuple):
    """A part of a page: a text, a tag, a comment, or a whole element that stays as it is."""

    role: Role | None  # in a run; None: it ends the run
    begin: int  # of its characters in the text
    end: int
    name: str = ""  # of the element, in lower case
    tag_end: int = 0  # where a start tag ends; 0: there is none, or its attributes stay too


class Attribute(NamedTuple):
    """An attribute of a tag."""

    name: str  # in lower case
    value: str  # as it is written, without quotation marks
    begin: int  # of the value with its quotation marks, in the tag
    end: int


def attributes(tag: str) -> list[Attribute]:
    """Return the attributes of a start tag that have a value."""
    name = NAME.match(tag)
    found = []
    for match in ATTRIBUTE.finditer(tag, name.end() if name else 0, len(tag) - 1):
        group = match.lastindex or 1
        if group > 1:
            quotes = int(group < 4)
            begin, end = match.start(group) - quotes, match.end(group) + quotes
            found.append(Attribute(match[1].lower(), match[group], begin, end))
    return found


def scan(text: str) -> Iterator[Token]:
    """Yield the parts of a page in order; none is empty. A tag that never ends is text."""
    position = 0
    endless: set[str] = set()  # names of elements whose end was looked for in vain
    while begin := BEGINS_MARKUP.search(text, position):
        token = markup(text, begin.start())
        if token is None:
            break  # no markup ends after this
        if token.begin > position:
            yield Token(Role.TEXT, position, token.begin)
        yield token
        position = token.end
        # In a title, "<" begins no tag. XHTML may have an empty one, <title/>.
        is_title = token.name == "title" and token.tag_end > 0
        is_open = is_title and not text.endswith("/>", token.begin, token.end)
        if is_open and "title" not in endless:
            end = end_tag("title").search(text, position)
            if end is None:
                endless.add("title")
            elif end.start() > position:
                yield Token(Role.TEXT, position, end.start())
                position = end.start()
    if position < len(text):
        yield Token(Role.TEXT, position, len(text))


def markup(text: str, begin: int) -> Token | None:
    """Return the tag, comment or whole element that begins at a position; None if it never ends."""
    for first, last in SECTIONS:
        if first.match(text, begin):
            # Right after "<!", as "<!-->" is a comment too.
            found = last.search(text, begin + 2)
            return Token(Role.ALONE, begin, found.end() if found else len(text))
    tag = MARKUP.match(text, begin)
    if tag is None:
        return None
    named = NAME.match(tag[0])
    if named is None:
        is_doctype = tag[0][:9].lower() == "<!doctype"
        return Token(None if is_doctype else Role.ALONE, begin, tag.end())
    name = named[1].lower().rstrip("\"'")
    if tag[0].startswith("</"):
        return Token(tag_role(name, tag[0]), begin, tag.end(), name)
    is_fixed = stays(tag[0])
    if not is_fixed and name not in OPAQUE:
        return Token(tag_role(name, tag[0]), begin, tag.end(), name, tag.end())
    if tag[0].endswith("/>") or name in VOID:
        end = tag.end()
    else:
        end = find_element_end(text, name, tag.end())
    role = Role.ALONE if name in NO_WORD else Role.WORD
    return Token(role if name in WORDS else None, begin, end, name, 0 if is_fixed else tag.end())


def tag_role(name: str, tag: str) -> Role | None:
    """Return what a tag is in a run, from the name of its element; None for one that ends it."""
    if name in OPAQUE_INLINE or name in VOID_INLINE:
        return Role.ALONE  # an end tag without a start is among them
    if name not in INLINE:
        return None
    if tag.endswith("/>"):
        return Role.ALONE
    return Role.END if tag.startswith("</") else Role.START


def is_read(element: str, name: str, values: dict[str, str]) -> bool:
    """Return whether people read an attribute; values: those of all attributes, in lower case."""
    if name in READ or name in READ_ON.get(element, ()):
        return True
    if element == "input" and name == "value":
        return values.get("type", "").strip() in BUTTONS
    if element == "meta" and name == "content":
        return not READ_META.isdisjoint((values.get("name"), values.get("property")))
    return False


def stays(tag: str) -> bool:
    """Return whether the author of a page says that an element is not translated."""
    lowered = tag.lower()
    if "translate" not in lowered:
        return False
    return any(
        (attribute.name == "translate" and attribute.value.lower() == "no")
        or (attribute.name == "class" and "notranslate" in attribute.value.split())
        for attribute in attributes(tag)
    )


@cache
def end_tag(name: str) -> "re.Pattern[str]":
    """Return the expression for the end tag of an element that holds no tags."""
    return re.compile(rf"</{re.escape(name)}(?=[\s/>])[^<>]*>", re.IGNORECASE)


def find_script_end(text: str, position: int) -> int:
    """Return where a script ends: as in HTML, not in a script within a comment, <!--<script>."""
    is_in_comment = is_in_script = False
    for sign in SCRIPT.finditer(text, position):
        if sign[0].startswith("<!"):
            is_in_comment = True
        elif sign[0] == "-->":
            is_in_comment = is_in_script = False
        elif not sign[1]:
            is_in_script = is_in_comment
        elif not is_in_script:
            return sign.end()
        else:
            is_in_script = False
    return len(text)


def find_element_end(text: str, name: str, position: int) -> int:
    """Return where an element ends whose start tag ends at a position.

    An element that is never closed ends with the text.
    """
    if name == "script":
        return find_script_end(text, position)
    if name in RAW_TEXT:
        found = end_tag(name).search(text, position)
        return found.end() if found else len(text)
    tags = re.compile(rf"<(/?){re.escape(name)}(?=[\s/>])[^<>]*>", re.IGNORECASE)
    depth = 1
    for tag in tags.finditer(text, position):
        depth += -1 if tag[1] else (0 if tag[0].endswith("/>") else 1)
        if not depth:
            return tag.end()
    return len(text)
