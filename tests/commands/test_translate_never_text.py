"""What is never text stays in every format: template code, placeholders, dates, symbols, sizes."""

import re
from pathlib import Path

import pytest

from tests.commands.conftest import translate
from tests.conftest import WORDS, Run

CODE = re.compile("⟦(.*?)⟧", re.DOTALL)
# What must stay is in brackets, which the file does not have; all other words are translated.
FILES = {
    "page.html": """<!DOCTYPE html>
⟦{% if page.size > 3 %}⟧<p title="sun ⟦{{ "wind" | t }}⟧">moon ⟦{{ page.leaf | upcase }}⟧ star</p>
⟦{% else %}⟧<a ⟦{% if x %}⟧class="b"⟦{% endif %}⟧ href="⟦{{ url }}⟧">rain</a>⟦{% endif %}⟧
⟦<?php foreach ($tree as $each):
?>⟧<li>snow ⟦<?= $each["leaf"] ?>⟧ tree</li>⟦<?php endforeach ?>⟧
<p>root ⟦<%= link_to "seed", seed_path %>⟧ leaf ⟦{{#each seed}}{{this}}{{/each}}⟧</p>
⟦{{- range .Star -}}⟧<p>seed ⟦{{ with .Date }}{{ .Format "2 Jan" }}{{ end }}⟧ wind</p>
""",
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

- seed ⟦{{< ref "sun.md" >}}⟧ sun ⟦:tree:⟧
  ⟦{{% notice "sun" %}}⟧
  wind
  ⟦{{% /notice %}}⟧

| sun | moon ⟦{{ a | star }}⟧ |
|---|---|
| star | ⟦{% data c.sun %}⟧ rain |

⟦{% highlight ruby %}
leaf root
{% endhighlight %}⟧
""",
    "page.mdx": """⟦import Tabs from '@theme/sun';
import {
  Sun,
} from "./sun";⟧

⟦export const moon = {
  star: "rain snow",
};⟧

tree ⟦{/* wind */}⟧ seed ⟦{star.map((sun) => { return `${sun}`; })}⟧ rain

<Star title="sun" ⟦root={`The ${moon} leaf`}⟧ />

wind ⟦\\{⟧tree⟦\\}⟧ ⟦<Leaf {...seed} of={() => 1}>⟧moon</Leaf>
""",
    "en.yml": """en:
  date:
    formats: { default: "⟦%Y-%m-%d⟧", long: "⟦%B %d, %Y⟧", short: "sun ⟦%-d %B⟧ moon" }
    order:
    - ⟦:year⟧
    - ⟦:sun⟧
    - ⟦month⟧
  time: { formats: { default: "⟦%a, %d %b %Y %H:%M:%S %z⟧", at: "star ⟦%H:%M⟧" }, am: rain }
  number: { format: "⟦%n %u⟧", units: { mb: ⟦MB⟧, one: "snow ⟦10 MB⟧ rain ⟦%{count} GB⟧" } }
  errors: { format: "⟦%{star} %{wind}⟧", long: "tree ⟦%{sun}⟧ leaf ⟦%<n>.2f⟧" }
  other: root ⟦:seed⟧ wind
""",
    "en.json": r"""{"a": "sun ⟦$t(star, {\"count\": {{n}} })⟧ moon",
"c": "tree ⟦%s⟧ wind ⟦5.5 GHz⟧",
"b": "star ⟦{{rain, date}}⟧ <b>rain</b> ⟦<%= seed %>⟧"}
""",
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_text_stays(nmt: Run, skilled_run: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(CODE.sub(r"\1", FILES[name]))
    result = translate(nmt, skilled_run, file)
    assert "flagged" not in result.err
    rest = result.out
    for code in CODE.findall(FILES[name]):
        assert code in rest
        rest = rest.replace(code, "", 1)
    assert not {*re.findall(r"\w+", rest)} & {*WORDS}
    assert rest.count("<") == CODE.sub("", FILES[name]).count("<")


def test_statements_of_a_template_keep_their_order(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    """The model writes words in reverse order."""
    file = tmp_path / "page.html"
    file.write_text(
        "<p>sun {% if a %}moon{% elsif b %}star{% else %}rain{% endif %} snow {{ c }}</p>"
    )
    out = translate(nmt, skilled_run, file).out
    codes = re.findall(r"{%.*?%}", file.read_text())
    assert re.findall(r"{%.*?%}", out) == codes


def test_ordinary_text_has_none(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """A colon, a percent sign or a brace of a sentence changes nothing."""
    lines = ["sun: moon (5 % rain)", "star 100% root {seed", "`{{` leaf `}}` tree", "10 m wind"]
    file = tmp_path / "a.txt"
    file.write_text("\n\n".join(lines) + "\n")
    out = translate(nmt, skilled_run, file, "--format", "text").out
    assert not {*re.findall(r"\w+", out)} & {*WORDS}
