"""Pages and Markdown: any content gives its own bytes again, or an error of one sentence."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.documents.document import DEFAULTS, Document
from nmt.documents.marks.never_text import template_codes
from nmt.documents.pages import html, markdown
from nmt.documents.registry import Read
from tests.documents.reading import changed, same
from tests.fuzz import fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes

pytestmark = pytest.mark.slow

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A &amp; b</title>
<meta name="description" content='It "is"'><script>if (a<b) c</script></head><body><h1 id=a>One
<a href="#a" title="Link">¶</a></h1><p>Two <b>bold <i>and</b> ital</i>, <code>x &lt; y</code> <img
src=a alt='A cat'> more<br>line<br><br>and<!-- c --> <?php e ?>
{% if a > b %}x {{ c }}{% else %}y{% endif %}
<![CDATA[ x ]]>&nbsp;<ul><li>1
<li>Three</ul>
<input type=submit value=Send><textarea placeholder="Type">a</textarea><p translate=no>b</p>
<pre>c</pre><p class="x notranslate">d</p>a < b</body></html>""".encode()
TEMPLATE = [
    *(b"{{ a }}", b"{% if a %}", b"{% endif %}", b"{% raw %}", b"{% endraw %}", b"{{< a >}}\n"),
    *(b"{% else %}", b"\n{% a %}\n", b"{% block aclass %}", b"{% endblock %}"),
    *(b"{{", b"}}", b"{%", b"%}", b"<%= a %>", b"<%", b"%>", b"<?= a ?>", b"{: .a}\n", b"{# a #}"),
    *(b"import a from 'b'\n", b"export const a = 1\n", "\U000f0000".encode(), b"&#983040;"),
]
PIECES = [
    *TEMPLATE,
    *(
        b"<p>",
        b"</p>",
        b"<b>",
        b"</b>",
        b"<i title='a'>",
        b"</i>",
        b"<br>",
        b"<title>",
        b"</title>",
    ),
    *(
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?php ",
        b"?>",
        b"<script>",
        b"</script>",
        b"<code>",
    ),
    *(b"</code>", b"<p translate=no>", b"<meta charset=", b"<html lang=en>", b"<img alt='", b"/>"),
    *(b"<", b">", b"'", b'"', b"=", b"&", b"&amp;", b"&#", b"&#x41;", b"&#99999999;", b"&nbsp;"),
    *(b" ", b"\n", b"\r\n", b"\t", b"\0", b"a", b"One two.", "größer".encode(), b"1", b"\xff"),
    *(b"latin1", b"utf-16", b"koi8-r", b"idna", b"\xef\xbb\xbf", b"\xff\xfe"),
]

TEXT = b"""---
title: A page
---
# Title *here* {#id}

Some **bold *both*** and `code` over
two lines, a [link](http://a.b "Title") and ![a picture](a.png).\\
After a break: snake_case & 2 * 3 <kbd>Ctrl</kbd> [ref] $x$ {ref}`a`[^1]

- [ ] Task
- item
  1. more

  > [!NOTE]
  > Quoted text

{% include a %}
Text {{ a }} and [b]({{ c | d }}) {% e
f %} more

[ref]: http://x.y "T"
[^1]: A footnote.

| A **x** | B |
|---|:-:|
| `a\\|b` c | d |

<p align="center"><img alt="Logo"> Text
</p>

```{note}
:class: x
Inner *text*.
```

Term
: Definition

Setext
======
"""
SIGNS = [
    *TEMPLATE,
    *(
        b"# ",
        b"> ",
        b"- ",
        b"1. ",
        b"    ",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\r",
        b"**",
        b"*",
        b"_",
        b"~~",
    ),
    *(b"`", b"```\n", b"```{note}\n", b":::{tip}\n", b":::\n", b"[", b"](", b"](x 't')", b"[ref]"),
    *(b"[ref]: /u\n", b"[^1]", b"[^1]: ", b"![a](x)", b"<b>", b"</b>", b"<p>", b"<kbd>", b"</kbd>"),
    *(b"|", b"| a | b |\n|---|---|\n", b"\\", b"&amp;", b"{ref}`a`", b"$x$", b"$$\n", b"(t)=\n"),
    *(
        b"% c\n",
        b"+++\n",
        b"---\n",
        b"===\n",
        b": def\n",
        b"a",
        b"One two.",
        b"  \n",
        b"\\\n",
        b"\t",
    ),
    *(b"[ ] ", b"[!NOTE]\n", b" {#id}", b"<http://a.b>", b"!", b"---\ntitle: a b\n---\n", b"\xff"),
]


def contents(page: bytes, pieces: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy of a file with some changes, and of pieces in any order."""
    seeds = st.integers(0, 2**32)
    return st.one_of(
        seeds.map(lambda seed: changed_bytes(Random(seed), page, 4)),
        st.lists(st.sampled_from(pieces), max_size=20).map(b"".join),
    )


def check(read: Read, content: bytes) -> None:
    """Read a content; it stays as it is, and any translation can be written."""
    document: Document | None = value_or_error(lambda: read(content, DEFAULTS))
    if document is None:
        return
    assert same(document) == content
    odd = [changed(each.source, lambda part: f"{part}<&'\"Ж>") for each in document.segments]
    joined = value_or_error(lambda: document.join(odd))
    before, after = (
        each.decode("latin-1") for each in (content, joined.content if joined else b"")
    )
    for begin, end in template_codes(before) if joined else ():
        assert before.count(before[begin:end]) <= after.count(before[begin:end])


@fuzz
@given(contents(PAGE, PIECES))
def test_any_page_is_kept_or_refused(content: bytes) -> None:
    check(html.read, content)


@fuzz
@given(contents(TEXT, SIGNS))
def test_any_markdown_is_kept_or_refused(content: bytes) -> None:
    check(markdown.read, content)
