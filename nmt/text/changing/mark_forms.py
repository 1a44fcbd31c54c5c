"""Make up marks that look like those of real texts: placeholders, addresses, tags.

Names and numbers in them are random, so that a model learns to copy marks, not to know them. All
their characters are printable ASCII, which a vocabulary of `train.augment_placeholders` and
`train.augment_tags` can write (`MARK_CHARACTERS`).
"""

from random import Random
from string import ascii_lowercase, ascii_uppercase, digits

MARK_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
# Half of all names are such words; the others are random letters.
COMMON = (
    "app author button class code color count current date day email error field file filename"
    " folder id image index item key label length limit line link list max message min model name"
    " new number old page path percent price product progress query result size source start state"
    " status target task text time title total type unit update url user username value version"
)
WORDS = COMMON.split()
# In a form, N is a name, C a name in upper case, 0 a digit, 9 a number; a backslash keeps the
# character after it. Groups are equally likely, so that no kind is lost among many others.
PLACEHOLDERS = (
    ("%s", "%s", "%d", "%i", "%u", "%f", "%.0f", "%0d", "%0$s", "%0$d", "%@", "%ld", "%%", "%0"),
    ("%(N)s", "%(N)s", "%(N)d", "%(N)r", "%N%", "%{N}", "#{N}", "$0", "@N", "#N"),
    ("{0}", "{0}", "{0:.0f}", "{N}", "{N}", "{N!r}", "{N:0d}", "{}", "{N.N}", "{N[0]}"),
    ("{{N}}", "{{ N }}", "{{N.N}}", "${N}", "$N", "$(N)", "<%= N %>", "[[N]]", "[N]", ":N"),
    ("&amp;", "&lt;", "&gt;", "&nbsp;", "&quot;", "&#09;", "<br>", "<br/>", "<br />", r"\\n"),
    ('<x id="9"/>', "<N/>", '<img src="N.png">', "<0/>", "<0>", '<ph name="C"/>', "__C__", "C_C"),
    ("https://N.com", "https://www.N.org/N/N", "http://N.net/N?N=9", "www.N.com", "N.org/N"),
    ("N@N.com", "N.N@N.org", "N_9@N.net", "@N9"),
    ("N.txt", "N.html", "/usr/N/N", "~/N/N.py", r"\C:\\N\\N.exe", "N/N.c", "N.N.N", ".N"),
    ("N()", "N_N", "--N", "--N-N=9", "`N`", "`N --N`", "N::N", "NN=9", "$N->N", "-N"),
    ("9 km", "9 kg", "9 ml", "9 MB", "9GB", "9%", "9 %", "9:00", "9-00-00", "v0.9.0", "9x9", "#9"),
)
WRAPPED = ('"{}"', "'{}'", "({})")  # around a placeholder in one case of ten
WRAPPED_SHARE = 0.1
TAGS = (
    ("<b>", "<i>", "<em>", "<strong>", "<u>", "<code>", "<sup>", "<small>", "<p>"),
    ("<0>", "<0>", "<09>", "<N>"),
    ('<a href="https://N.com/N">', '<a href="N.html">', '<a id="9">', '<a href="#N" title="N">'),
    ('<span class="N">', '<span class="N-N">', '<span id="N">', '<font color="#000000">'),
    ('<g id="9">', '<pc id="9">', '<bpt id="9">', '<ph id="9">', "<N.N>"),
)
# Marks without a name at the end: what begins, what ends.
PAIRED = (("**", "**"), ("*", "*"), ("`", "`"), ("[", "](https://N.com)"), ("[b]", "[/b]"))
PAIRED_SHARE = 0.1


def placeholder(random: Random) -> str:
    """Return a random mark that stands for itself."""
    made = filled(random.choice(random.choice(PLACEHOLDERS)), random)
    if random.random() < WRAPPED_SHARE:
        return random.choice(WRAPPED).replace("{}", made)
    return made


def tag_pair(random: Random) -> tuple[str, str]:
    """Return a random mark that begins what another one ends, and that other one."""
    if random.random() < PAIRED_SHARE:
        begin, end = random.choice(PAIRED)
        return begin, filled(end, random)
    begin = filled(random.choice(random.choice(TAGS)), random)
    return begin, f"</{begin[1:-1].partition(' ')[0]}>"


def filled(form: str, random: Random) -> str:
    """Return a form with its names and numbers filled in."""
    made, escaped = [], False
    for character in form:
        if escaped or character not in "NC09\\":
            made.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "NC":
            word = name(random)
            made.append(word.upper() if character == "C" else word)
        else:
            most = 10 if character == "0" else random.choice((10, 100, 1000, 10_000))
            made.append(str(random.randrange(most)))
    return "".join(made)


def name(random: Random) -> str:
    """Return a random name: one word or two, or random letters."""
    if random.random() < 0.5:
        first = random.choice(WORDS)
        second = random.choice(WORDS)
        return random.choice(
            (first, first, first, f"{first}_{second}", first + second.title(), first.title())
        )
    letters = random.choice((ascii_lowercase, ascii_lowercase, ascii_lowercase + digits))
    rest = "".join(random.choices(letters, k=random.randrange(1, 8)))
    first = random.choice(ascii_uppercase if random.random() < 0.2 else ascii_lowercase)
    return first + rest
