"""List what no one translates: placeholders, code of templates, sizes, addresses, identifiers."""

import re
from bisect import bisect
from collections.abc import Iterator
from functools import lru_cache

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.odd_input import addresses, has_words
from nmt.documents.marks.icu import argument_spans
from nmt.documents.marks.tags import outside, with_tags, without_overlaps

# A conversion of C: "%5.2f", "%1$s", "%%". A space is no flag here: "50 % de" is prose.
PRINTF = (
    r"%(?:%|(?:\d{1,3}\$)?[-+#0']{0,5}(?:\d{1,5}|\*(?:\d{1,3}\$)?)?(?:\.(?:\d{1,5}|\*)?)?"
    r"(?:hh|h|ll|l|L|q|j|z|t)?(?:[diouxXeEfFgGaAcCsSpn]|<PRI\w{1,12}>))"
)
NAME = r"[\w.$-]{0,100}"
# Names and numbers of Python, C#, Rust and JavaScript: "{}", "{0:.2f}", "{{count}}".
BRACE = (
    r"\{\{\s?[\w.$, -]{1,100}\s?\}\}|\{\{|\}\}"
    rf"|\{{{NAME}(?:\[[^\[\]{{}}\n]{{1,50}}\])?(?:![rsa])?"
    r"(?:[:,](?:[^{}\n]|\{[\w.$]{0,50}\}){0,100})?\}"
)
OF_PYTHON = r"[-+#0]{0,5}\d{0,5}(?:\.\d{0,5})?"  # flags, width and precision
DATE_PART = "%[-^_0#:]{0,2}[aAbBcCdDeFgGhHIjklLmMnNpPrRsSTuUVwWxXyYzZ]"  # of strftime
CALENDAR_PART = "%[-^_0#:]{0,2}[bBHIjmMyYPZ]"  # one that is none of C
SYNTAXES = {
    "printf": PRINTF,
    "python": rf"%\([^()\n]{{1,100}}\){OF_PYTHON}[a-zA-Z]|%{OF_PYTHON}r|{PRINTF}",
    "brace": BRACE,
    "icu": "",  # its braces are nested; see `icu`
    "dollar": r"\$\{[^{}\n]{1,100}\}|\$[A-Za-z_]\w{0,100}\$?",
    "percent-brace": r"%\{[^{}\n]{1,100}\}|%<\w{1,100}>[-+#0]{0,5}\d{0,5}(?:\.\d{0,5})?[a-zA-Z]",
    "qt": r"%\d{1,2}%|%L?\d{1,2}|%L?n(?![^\W\d_])|%%",
    "objc": rf"%(?:\d{{1,3}}\$)?@|\$\{{\w{{1,100}}\}}|{PRINTF}",  # with those of intents
    "tags": "",  # see `tags`
    "date": rf"(?<![\d%]){DATE_PART}(?![A-Za-z])",
}
# Those that may stand in messages whose program is not known.
ANY_PROGRAM = frozenset({"brace", "date", "icu", "printf", "dollar", "percent-brace", "tags"})
UNIT = r"(?:[kKMGTPEZY]i?B(?:/s|ps)?|[kKMGT]bps|[kMGT]bit/s|[kMGT]?Hz|dpi|ppi|px|fps)"
EVERYWHERE = (
    # A symbol of Ruby, or an emoji: ":year", ":tada:". In prose, no space stands before a colon.
    r"(?<![^\s(\[]):(?:[a-z_]\w{0,100}|[+-]1):?",
    # A date of strftime: "%Y-%m-%d", "%-d %B". One that may be of C alone is none: "%s, %s".
    rf"(?=(?:{DATE_PART}[-/.:, T]{{0,3}}){{0,20}}?{CALENDAR_PART})"
    rf"{DATE_PART}(?:[-/.:, T]{{0,3}}{DATE_PART}){{1,20}}(?![A-Za-z])",
    # A size, in which a number and its unit stay together: "10 MB", "5.4 GHz".
    rf"(?<![\w.,])\d{{1,20}}(?:[.,]\d{{1,20}}){{0,9}}[ \u00a0\u202f]{UNIT}(?!\w)",
    r"(?<!\w)[kKMGTPEZY]i?B(?!\w)",  # after "{size} "
    r"%\{[\w.]{1,100}\}",  # a value of Ruby
    r"(?<!\w)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w)",  # a UUID
    r"\$t\((?:[^()\n]|\([^()\n]{0,500}\)){0,500}\)",  # a text in another one, of i18next
)
# A block of Django whose content is the names of classes: {% block bodyclass %}login{% endblock %}.
CLASSES = (
    r"\{%-?\s*+block\s++[\w-]*class(?:es)?\s*+-?%\}(?:[^{<]|\{(?!%))*+"
    r"\{%-?\s*+endblock\b[^{}%]*+%\}"
)
# Code of templates. Each form excludes its own begin inside, so that reading never looks ahead over
# the same text twice.
TEMPLATE = re.compile(
    rf"{CLASSES}"
    r"|\{%(?:[^{%]|%(?!\})|\{(?!%))*+%\}"  # a tag of Liquid, Jinja, Twig, Nunjucks
    # Output of these, and all of Hugo, Go, Handlebars and Vue. "`{{` and `}}`" is a sentence's.
    r"|\{\{\{[^{}]*+\}\}\}"
    r"|\{\{(?!`)(?:[^{}]|\{(?!\{)|\}(?!\}))*+(?<!`)\}\}"
    r"|\{\{-?\s*+(?:\"[^\"\n]*+\"|'[^'\n]*+')[^{}\n]*+\}\}"
    r"|\{#[-\s](?:[^{#]|#(?!\})|\{(?!#))*+#\}"  # a comment of Jinja
    r"|\{/\*(?:[^{*]|\*(?!/\})|\{(?!/\*))*+\*/\}"  # of MDX
    r"|<%(?:[^<%]|%(?!>)|<(?!%))*+%>"  # ERB, EJS, JSP
    r"|<\?(?:php\b|=)(?:[^?]|\?(?!>))*+(?:\?>|\Z)"
)
TEMPLATE_SIGNS = ("{{", "{%", "{#", "{/*", "<%", "<?")
# A statement: its order among the others counts, and `name` belongs to the same one with an `end`.
STATEMENT = re.compile(
    rf"(?!{CLASSES})"
    r"(?:\{%[-+~]?|\{\{[-~]?(?=[<%#/^]|\s*(?:if|else|end|range|with|block|define)\b(?!\.))[<%#^]?)"
    r"\s*+(?P<end>/|end(?=\w))?\s*+(?P<name>[\w-]*)|<%(?![=-])|<\?php"
)
# Statements between texts of which a reader sees one.
ALTERNATIVES = (
    *("else", "elif", "elsif", "elseif", "when", "case", "default", "empty"),
    *("plural", "pluralize"),  # of messages
)
MOST_OPENED = 50  # statements among which the begin of one is looked for
# Statements whose content is code too; that of the last one if it is on the same line.
WITH_CODE = ("comment", "highlight", "raw")
# On lines of their own in Markdown: attributes of Kramdown, and what MDX imports and exports.
MARKDOWN_LINES = re.compile(
    r"(?m)^(?:[ \t]*+\{:[^{}\n]*+\}"
    r"|import\s+(?:type\s+)?(?:(?:[\w$]+|\{[^{}]*+\}|\*\s+as\s+[\w$]+)\s*+,?\s*+){0,2}(?:from\s*+)?"
    r"(?:\"[^\"\n]+\"|'[^'\n]+');?"
    r"|export\s+(?:(?:const|let|var|function|class)\s+[\w$]+\s*+[=({]|\{|\*\s+from"
    r"|default\s+(?:function|class|async|[({]|[\w$.]+;?[ \t]*+$)).*+(?:\n(?![ \t]*+$).+)*+"
    r")(?=[ \t]*\r?$)"
)
BRACES = r"(?!)"
for _ in range(6):  # levels; one that holds a fence of code is none, and {#id} names a heading
    BRACES = rf"(?<!\\)\{{(?!#)(?:[^{{}}`]++|`(?!``)|{BRACES})*+\}}"
# MDX: these, expressions of JavaScript in braces, escaped braces, and tags with {...names}, which
# Markdown does not know.
MDX_CODE = re.compile(
    rf"{MARKDOWN_LINES.pattern}|{BRACES}|\\[{{}}]"
    rf"|<[A-Za-z](?=[^<>]*\{{\.\.\.)(?:[^<>{{}}]++|{BRACES})*+>"
)
ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


def with_placeholders(source: Marked, syntax: frozenset[str]) -> Marked:
    """Return a text with its placeholders and addresses as further marks.

    None crosses a mark of the format. syntax: names of `SYNTAXES`.
    """
    marks: list[Mark] = []
    begin = 0
    for part, mark in source.parts():
        marks += [mark] if mark else (found.moved(begin) for found in find(part, syntax))
        begin += len(part)
    return Marked(source.text, tuple(marks))


def find(text: str, syntax: frozenset[str]) -> list[Mark]:
    """Return the placeholders and the addresses of a text, in order and apart.

    The first one counts if two overlap; of two that begin together, the longer one.
    """
    spans = [*addresses(text), *template_codes(text)]
    spans += (found.span() for found in placeholder_pattern(syntax).finditer(text))
    if "icu" in syntax:
        spans += argument_spans(text)
    tags: list[Mark] = []
    if "tags" in syntax:
        tags += (tag._replace(is_text=True) for tag in with_tags(text).marks)
        tags += (Mark(*entity.span(), is_text=True) for entity in ENTITY.finditer(text))
        tags = without_overlaps(tags)
    # A tag is whole, whatever its attributes hold: else its partner would lose it.
    found = (Mark(*span, is_text=True) for span in spans)
    return without_overlaps([*tags, *outside(found, tags)])


@lru_cache
def placeholder_pattern(syntax: frozenset[str]) -> re.Pattern[str]:
    """Return what matches the placeholders of syntaxes, and those of every text."""
    patterns = filter(None, map(SYNTAXES.get, sorted(syntax)))
    return re.compile("|".join([*EVERYWHERE, *patterns]))


def template_codes(text: str) -> Iterator[tuple[int, int]]:
    """Yield the codes of templates in a text, in order and apart."""
    if not any(sign in text for sign in TEMPLATE_SIGNS):
        return
    found = [(code, STATEMENT.match(code[0])) for code in TEMPLATE.finditer(text)]
    ends: dict[str, list[int]] = {}  # where the end of each kind of content is
    for code, statement in found:
        if statement and statement["end"] and statement["name"] in WITH_CODE:
            ends.setdefault(statement["name"], []).append(code.end())
    end = 0
    for code, statement in found:
        if code.start() < end:
            continue
        end = code.end()
        if statement and not statement["end"] and (positions := ends.get(statement["name"] or "")):
            index = bisect(positions, end)
            last = positions[index] if index < len(positions) else end
            if statement["name"] != WITH_CODE[-1] or "\n" not in text[end:last]:
                end = last
        yield code.start(), end


def is_word(code: str) -> bool:
    """Return whether a code stands for words, as {{ name }} does, and is no statement."""
    return code.startswith(("{{", "<%=", "<%-", "<?=")) and not STATEMENT.match(code)


def paired(text: str, marks: list[Mark]) -> Iterator[Mark]:
    """Yield marks, of which statements such as {% if %} and {% endif %} are pairs.

    Pairs never cross others, so that a statement keeps what it is about.
    """
    found = [STATEMENT.match(text, mark.begin, mark.end) for mark in marks]
    kinds = [mark.kind for mark in marks]
    opened: list[int] = []
    for number, (mark, statement) in enumerate(zip(marks, found, strict=True)):
        if mark.kind is Kind.CLOSE:
            while opened and marks[opened.pop()].kind is not Kind.OPEN:
                pass
        elif mark.kind is Kind.OPEN:
            opened.append(number)
        elif statement and statement["name"]:
            if not statement["end"]:
                opened.append(number)
                continue
            for index in range(len(opened) - 1, max(-1, len(opened) - MOST_OPENED - 1), -1):
                first = found[opened[index]]
                if first is None or marks[opened[index]].kind is Kind.OPEN:
                    break
                if first["name"] == statement["name"]:
                    kinds[opened[index]], kinds[number] = Kind.OPEN, Kind.CLOSE
                    del opened[index:]
                    break
    for mark, kind in zip(marks, kinds, strict=True):
        yield mark._replace(kind=kind)


def alternatives(text: str, marks: list[Mark]) -> Iterator[int]:
    """Yield the numbers of statements between alternatives, and of the pairs around these."""
    opened, with_alternatives = list[int](), set[int]()
    for number, mark in enumerate(paired(text, marks)):
        if mark.kind is Kind.OPEN:
            opened.append(number)
        elif mark.kind is Kind.CLOSE:
            begin = opened.pop()
            if begin in with_alternatives:
                yield from (begin, number)
        else:
            statement = STATEMENT.match(text, mark.begin, mark.end)
            if statement and statement["name"] in ALTERNATIVES:
                with_alternatives.update(opened[-1:])
                yield number


LONGEST_TOKEN = 100  # characters without a space; longer ones are encoded data

FILES = (
    "avi|bmp|c|cfg|conf|cpp|css|csv|docx?|eot|exe|gif|go|gz|h|html?|ico|ini|java|jpe?g|js|json|jsx"
    "|less|lock|log|md|mp3|mp4|ogg|otf|pdf|php|png|pptx?|properties|py|rb|rs|rst|scss|sh|sql|svg"
    "|tar|tiff?|toml|tsv|tsx?|ttf|txt|vue|wasm|wav|webm|webp|woff2?|xhtml|xlsx?|xml|ya?ml|zip"
)
# Strings without spaces that are no text.
TOKENS = (
    r"[a-z][a-z0-9+.-]*://.*",  # addresses
    r"(?:mailto|tel|data|urn|javascript|about|blob|file|sms):.*",
    r"www\..*",
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+",
    r"(?:~|\.{1,2})?/.*",  # paths
    r"[A-Za-z]:\\.*",
    r"[^/]*/.*/.*",
    r"(?=.*[*@:])[\w.@*:+-]+(?:/[\w.@*:+-]+)+",  # dist/*.mjs, actions/checkout@v4, @scope/name
    r"(?:application|audio|font|image|message|model|multipart|text|video)/[\w.+-]+",
    rf"[\w@./-]*\.(?:{FILES})",
    r"[a-z_$][\w$-]*(?:\.[\w$-]+)+",  # com.example.app, menu.file
    r"\w*_\w*",  # MAX_SIZE
    r"[a-z]+[A-Z]\w*",  # userName
    r"(?:[A-Z][a-z0-9]+){2,}",  # UserName
    r"[a-z]+(?:-[a-z0-9]+)*-\d[\w-]*",  # col-md-6
    r"#[0-9a-fA-F]{3,8}",  # colours
    r"(?=[A-Za-z+/=_-]*\d)[A-Za-z0-9+/=_-]{20,}",  # hashes, encoded data
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    r"v?\d+(?:\.\d+)+[\w.+-]*",  # versions
    r"[+-]?\d[\d.,]*[A-Za-z%µ°]{1,4}",  # 12px
    r"\d{4}-\d\d-\d\d(?:T.*)?",
    r"[a-z]{2,3}[-_](?:[A-Z]{2}|[A-Z][a-z]{3}(?:[-_][A-Z]{2})?)(?:[.@][\w-]+)?",  # locales
    r"(?:\{+[\w.$-]+\}+|\$\w*[({][^(){}]*[)}]|%\w)+",  # placeholders
)
BROKEN = re.compile("[\0\ud800-\udfff]")  # in no text, and not even in UTF-8
TOKEN = re.compile("|".join(f"(?:{token})" for token in TOKENS))
DATE_PATTERN = (
    r"(?:[Yy]{2,4}|M{1,4}|[dD]{1,2}|E{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|[Sf]{1,6}|aa?|A|Z|z)"
)
# Strings with spaces that are no text.
PHRASES = (
    rf"{DATE_PATTERN}(?:[-/.:, T]{{1,2}}{DATE_PATTERN})+",  # patterns of dates
    r"(?:rgb|hsl)a?\([\d.,%/ ]+\)",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d[\w:., +-]{0,20}",
    r"[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} [\d:]+ \S+",
    r"(?:\d[\d.]*(?:px|em|rem|pt|vh|vw|%)|auto|0)(?: (?:\d[\d.]*(?:px|em|rem|pt|vh|vw|%)|auto|0))+",
)
PHRASE = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES))


def is_text(value: str) -> bool:
    """Return whether a string of a data file is a text to translate.

    A string with spaces is a text if it has words and is no date, no colour and no size. One
    without spaces is a text unless it has the form of an address, a path, a file's name, an
    identifier (with "_", a dot, or a capital within), a colour, a number with a unit, a version, a
    date, a locale, encoded data or placeholders alone.
    """
    stripped = value.strip()
    if BROKEN.search(stripped) or not has_words(with_tags(stripped).without_marks()):
        return False
    if len(stripped) > LONGEST_TOKEN:
        return not stripped.isascii() or any(map(str.isspace, stripped))
    return not PHRASE.fullmatch(stripped) and (
        any(map(str.isspace, stripped)) or not TOKEN.fullmatch(stripped)
    )
