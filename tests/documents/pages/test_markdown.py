"""Markdown: blocks are segments with their markup as marks, and every other byte stays."""

import re
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import Document, Options
from nmt.documents.pages.markdown import read
from nmt.documents.registry import find_format
from tests.conftest import WORDS
from tests.documents.documents import changed_by, places, texts, unchanged

ROOT = Path(__file__).parents[3]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])[::6]
PLUGINS = [colon_fence_plugin, deflist_plugin, dollarmath_plugin, footnote_plugin]
PLUGINS += [front_matter_plugin, myst_block_plugin, myst_role_plugin]


def page(text: str) -> Document:
    document = read(text.encode(), Options())
    assert unchanged(document) == text.encode()
    return document


def tree(text: str) -> list[tuple[str, ...]]:
    """Return the blocks and the inline markup of a page, by the parser without any change to it."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for plugin in PLUGINS:
        parser.use(plugin)
    found: list[tuple[str, ...]] = []
    for token in parser.parse(text):
        is_code = token.type in ("fence", "code_block", "math_block") and "{" not in token.info
        found.append((token.type, token.markup, token.content if is_code else ""))
        for child in token.children or []:
            is_text = child.type in ("text", "softbreak", "text_special", "image")
            addresses = [str(child.attrs.get(name, "")) for name in ("href", "src")]
            own = (child.type, *addresses, "" if is_text else child.content)
            if child.type in ("softbreak", "text_special"):
                own = ("text", "", "", "")
            if own[0] != "text" or found[-1] != own:
                found.append(own)
    return found


def reversed_parts(source: Marked) -> Marked:
    """Return words and marks from the last to the first; pairs stay around what is in them."""
    partner, end, number = source.partners(), 0, 0
    parts = list[Marked]()
    while number < len(source.marks):
        begin, last = source.marks[number].begin, max(number, partner.get(number, number))
        parts += [Marked(source.text[end:begin]), source.slice(begin, source.marks[last].end)]
        end, number = source.marks[last].end, last + 1
    return joined([Marked(source.text[end:]), *reversed(parts)])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_of_the_project_keep_their_tree(path: Path) -> None:
    content = path.read_bytes()
    document = read(content, Options())
    assert unchanged(document) == content
    assert tree(changed_by(document).decode()) == tree(content.decode())
    found = document.join([reversed_parts(segment.source) for segment in document.segments])
    assert not found.findings
    before, after = (
        Counter(part for part in tree(text.decode()) if part[0] != "text")
        for text in (content, found.content)
    )
    assert before == after


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("One *two*\nthree.\n\nFour", ["One *two* three.", "Four"]),
        ("# One #\n\nTwo\n===\n", ["One", "Two"]),
        ("## One {#id .x}\n", ["One"]),
        ("- One\n  1. two\n     lines\n> three\nlazy", ["One", "two lines", "three lazy"]),
        ("- [ ] One\n- [x] two", ["One", "two"]),
        ("> [!NOTE]\n> One", ["One"]),
        ("**One** and `two`", ["**One** and `two`"]),
        ("**One.**\n\n*[Two](x)*", ["One.", "Two"]),
        ("[One](x 'T') two", ["[One](x 'T') two", "T"]),
        ("![One](x) two ![a `b`](y)", ["One", "two"]),
        ("[One] [two][one]\n\n[one]: /u 'T'", ["[One] [two][one]"]),
        ("One[^a] two\n\n[^a]: Three", ["One[^a] two", "Three"]),
        ("| One | a\\|b |\n|--|--|\n| | `c\\|d` e |", ["One", "a|b", "`c|d` e"]),
        ("> One | two\n> --|--\n> three | 4", ["One", "two", "three"]),
        ("One \\* &amp; \\[two] \\n", ["One * & [two] \\n"]),
        ("One  \ntwo\\\nthree", ["One\\two\\#2three"]),
        ("<https://a.b> One <a@b.c> two", ["<https://a.b> One <a@b.c> two"]),
        ("One <b>two</b> <kbd>C</kbd> <br> three", ["One <b>two</b> <kbd>C</kbd> <br> three"]),
        ("One <img alt='two'> three", ["One <img alt='two'> three", "two"]),
        ("<p>One <b>two</b>\n  <img alt=three></p>\n\nFour", ["One <b>two</b>", "three", "Four"]),
        ("<p>One\n{% if a %}\ntwo {% else %} three</p>", ["One", "two", "three"]),
        ("One {ref}`two` $x$ three", ["One {ref}`two` $x$ three"]),
        ("One `two`{.py} ![a](b){width=5} end", ["One `two`{.py} ![a](b){width=5} end", "a"]),
        ("```sh\none\n```\n\n    two\n\n$$\nx\n$$\n(a)=\n% b\n", []),
        ("```{note}\n:class: a\nOne *two*\n```", ["One *two*"]),
        ("- a\n\n  :::{tip} T\n  ---\n  b: c\n  ---\n  One\n  :::\n", ["a", "One"]),
        ("````{grid}\n```{card}\nOne\n```\n````", ["One"]),
        ("```{toctree}\none\n```\n:::{code-block}\ntwo\n:::", []),
        ("Term\n: One\n\n  two", ["Term", "One", "two"]),
        ("---\ntitle: One\nx: y\ndescription: 'a b'\n---\nTwo", ["One", "a b", "Two"]),
        ('+++\ntitle = "One"\n+++\n\nTwo', ["One", "Two"]),
        ("---\n\nOne\n\n---\n", ["One"]),
    ],
)
def test_blocks_are_segments(text: str, segments: list[str]) -> None:
    assert texts(page(text)) == segments


CODE = re.compile("⟦(.*?)⟧", re.DOTALL)
# What must stay is in brackets, which the file does not have; all other words are translated.
SITES = {
    "page.md": """---
title: 'sun ⟦{{ "wind" }}⟧ star'
---

# moon ⟦{{ site.star }}⟧ {#id}

⟦{% include note.html
  text="rain here" %}
{: .tree }⟧

rain [snow](⟦{{ site.leaf }}/a⟧) and ⟦{% raw %}`{{ tree }}`{% endraw %}⟧ star
⟦{% if a %}⟧
tree ⟦{% link root.md %}⟧ **leaf ⟦{{ b | c }}⟧** root
⟦{% endif %}⟧

- seed ⟦{{< ref "sun.md" >}}⟧ sun
  ⟦{{% notice "sun" %}}⟧
  wind
  ⟦{{% /notice %}}⟧
""",
    "page.mdx": """⟦export const moon = {
  star: "rain snow",
};⟧

tree ⟦{/* wind */}⟧ seed ⟦{star.map((sun) => { return `${sun}`; })}⟧ rain

<Star title="sun" ⟦root={`The ${moon} leaf`}⟧ />

wind ⟦\\{⟧tree⟦\\}⟧ ⟦<Leaf {...seed} of={() => 1}>⟧moon</Leaf>
""",
}


@pytest.mark.parametrize("name", SITES)
def test_code_of_a_site_stays(name: str) -> None:
    file_format = find_format(Path(name), None)
    assert file_format is not None
    rest = changed_by(file_format.read(CODE.sub(r"\1", SITES[name]).encode(), Options())).decode()
    for code in CODE.findall(SITES[name]):
        assert code in rest
        rest = rest.replace(code, "", 1)
    assert not {*re.findall(r"\w+", rest)} & {*WORDS}
    assert rest.count("<") == CODE.sub("", SITES[name]).count("<")


def test_marks_are_pairs() -> None:
    (segment,) = page("a ***b** c* [d](x) `e` __f__~~g~~ <u>h</u> i").segments
    kinds = "".join(mark.kind.value[0] for mark in segment.source.marks)
    assert kinds == "ooccocaocococ"
    marks = ["*", "**", "**", "*", "[", "](x)", "`e`", "__", "__", "~~", "~~", "<u>", "</u>"]
    assert segment.source.mark_texts() == marks


@pytest.mark.parametrize(
    ("text", "translation", "written"),
    [
        ("one", "- a", "\\- a"),
        ("one", "1. a", "1\\. a"),
        ("one", "snake_case 2 * 3 < 4", "snake_case 2 * 3 < 4"),
        ("one", "<b> &amp; \\*", "\\<b> \\&amp; \\\\\\*"),
        ("one", "a | b", "a &#124; b"),
        ("|one|\n|-|", "a | b", "|a \\| b|\n|-|"),
        ("# one", "a #", "# a \\#"),
        ("> one", ": a", "> \\: a"),
        ('---\ntitle: a\n---\n"', 'b: "c"', '---\ntitle: "b: \\"c\\""\n---\n"'),
        ("![a](x)", "b] c", "![b\\] c](x)"),
        ("![](x 'a')", "it's", "![](x 'it\\'s')"),
    ],
)
def test_markup_in_a_translation_is_escaped(text: str, translation: str, written: str) -> None:
    assert page(text).join([Marked(translation)]).content.decode() == written


def marked(*parts: str) -> Marked:
    """Return a text whose even parts are marks: an opening, a closing one, and so on."""
    text, marks = "", list[Mark]()
    for number, part in enumerate(parts):
        if number % 2:
            kind = Kind.OPEN if number % 4 == 1 else Kind.CLOSE
            marks.append(Mark(len(text), len(text) + len(part), kind))
        text += part
    return Marked(text, tuple(marks))


@pytest.mark.parametrize(
    ("source", "parts", "written"),
    [
        ("a **b** c", ("", "**", " b ", "**", "a"), "**b** a"),
        ("a **b** c", ("a", "**", "(b)", "**", "c"), "a **(b)** c"),
        ("a **b** c", ("a", "**", "b", "**", "c"), "a**b**c"),
        ("x _y_ z", ("a", "_", "b", "_", "c"), "a*b*c"),
        ("a [b](x)", ("Oh!", "[", "b", "](x)", ""), "Oh\\![b](x)"),  # no picture
    ],
    ids=["spaces", "punctuation", "letters", "underscores", "picture"],
)
def test_delimiters_stay_delimiters(source: str, parts: tuple[str, ...], written: str) -> None:
    found = page(source).join([marked(*parts)])
    assert not found.findings
    assert found.content.decode().strip() == written


def test_what_cannot_be_written_is_left_and_found() -> None:
    document = page("\n\na **b** c")
    assert not document.join([marked("", "**", "a ", "**")]).findings
    found = document.join([marked("", "**", "", "**", "a")])
    assert found.content == b"\n\na **b** c"
    assert [finding.place for finding in found.findings] == ["line 3"]


def test_a_block_that_changes_the_one_before_is_found() -> None:
    """A row of dashes makes a table of a text with a pipe, which the text alone does not show."""
    found = page("- a | b\n---\n").join([Marked("c |")])
    assert [finding.place for finding in found.findings] == ["line 1"]


def test_wrapped_paragraphs_are_wrapped_again() -> None:
    text = "> - One two three four\n>   five *six\n>   seven* `eight nine`\n"
    document = page(text)
    source = document.segments[0].source
    longer = source.text.replace("One", "Eins und noch - # 1. eins")
    moved = tuple(mark.moved(len(longer) - len(source.text)) for mark in source.marks)
    assert document.join([Marked(longer, moved)]).content.decode() == (
        "> - Eins und noch - # 1.\n>   eins two three four\n"
        ">   five *six seven*\n>   `eight nine`\n"
    )


def test_a_line_stays_a_line_and_line_ends_stay() -> None:
    text = "One two three\r\n\r\nfour\r\nfive"
    document = page(text)
    translated = changed_by(document, lambda part: part.replace("two", "two or more than two"))
    assert translated == b"One two or more than two three\r\n\r\nfour\r\nfive"


def test_references_keep_their_names() -> None:
    content = changed_by(
        page("See [One two] and [x][] or\n[One\ntwo].\n\n[one two]: /a\n[x]: /b"), str.upper
    )
    assert content.startswith(b"SEE [ONE TWO][One two] AND\n[X][x] OR [ONE")
    assert content.count(b"][One two]") == 2


def test_places_headings_and_context() -> None:
    found = page("---\ntitle: a\n---\n\n# b\n\n- c\n  d\n\n| e |\n|-|\n| ![f](g) h |\n")
    assert places(found) == [f"line {n}" for n in (2, 5, 7, 10, 12, 12)]
    assert [segment.is_heading for segment in found.segments] == [False, True, *[False] * 4]


@pytest.mark.parametrize(
    ("count", "unit", "end"),
    [
        *((5000, ">", "a"), (1000, "[", ""), (1000, "[a](", ""), (1000, "![", "]" * 1000)),
        *((1000, "*a_ ", ""), (2000, "`a ``", ""), (50_000, "a ", "\nb"), (3000, "<kbd>", "a")),
        *((1000, "|", "\n" + "|-" * 999 + "|\n|a"), (1000, "<a ", ""), (5000, "&a", "")),
        *((500, ":::{note}\n", ""), (3000, "`a`{", ""), (2000, '[a](b "', ""), (2000, "a  \n", "")),
        *((1, "---\n" + "a: b\n" * 2000, ""), (1000, "{a}`", "")),
        (1, "".join("`" * (60 - number) + "{note}\n" for number in range(57)), "a"),
        (1, "".join("  " * number + "- a\n" for number in range(200)), ""),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_hostile_markdown_takes_no_time(count: int, unit: str, end: str) -> None:
    page(unit * count + end)
