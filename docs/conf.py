"""Sphinx settings of the manual. `make docs` builds it into build/docs, with warnings as errors."""

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from nmt import __version__

project = "nmt"
copyright = "2026, the nmt authors"
version = release = __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "nmt_reference",
]

# Every link and every reference to a name of ours must lead somewhere. Names of other packages are
# not looked up, because that needs the network (intersphinx).
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!nmt\b).*")]
myst_heading_anchors = 3  # levels of headings that `page.md#heading` can link to
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]

smartquotes = False  # else "--" in the help of an option becomes a dash

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # names of constants, not their values

html_theme = "furo"
html_title = f"nmt {__version__}"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"

LINK = re.compile(r"\[([^]\[]+)\]\((?!https?:|docs/|#)([^)\s]+)\)")


def name_repository_files(
    app: Sphinx, relative_path: Path, parent_docname: str, content: list[str]
) -> None:
    """Replace links of an included page to files that the manual doesn't hold by their paths."""
    content[0] = LINK.sub(r"\1 (`\2`)", content[0])


def write_inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in MathML, which browsers draw without a script from the network."""
    translator.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def write_block_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own in MathML."""
    translator.body.append(f"<div>{mathml(node, as_block=True)}</div>")
    raise nodes.SkipNode


def mathml(node: nodes.Node, *, as_block: bool) -> str:
    """Return the MathML of a LaTeX formula."""
    tree = latex2mathml.tex2mathml(node.astext(), as_block=as_block)
    return str(tree)


def setup(app: Sphinx) -> None:
    """Register the hooks above."""
    app.connect("include-read", name_repository_files)
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(write_inline_math, None),
        block_renderers=(write_block_math, None),
    )
