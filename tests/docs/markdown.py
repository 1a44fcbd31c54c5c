"""Read the parts of Markdown pages that tests check: code blocks, headings, links and tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

FENCE = re.compile(r"^( *)(`{3,}|~{3,}|:{3,})\s*(\S*)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # of its first line of code, from 1
    language: str
    text: str

    @property
    def place(self) -> str:
        """Return page and line for messages and for names of tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page of the manual, and those beside it that readers see first."""
    others = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "recipes" / "README.md")
    return [*others, *sorted(DOCS.rglob("*.md"))]


@cache
def parts(page: Path) -> tuple[list[Block], list[tuple[int, str]]]:
    """Split a page into its code blocks and its lines of text outside them, with numbers."""
    blocks: list[Block] = []
    prose: list[tuple[int, str]] = []
    fence, language, begin = "", "", 0
    held: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        match = FENCE.match(line)
        if not fence and match:
            fence, language, begin, held = match[2], match[3], number + 1, []
        elif fence and line.strip() == fence:
            text = dedent("".join(f"{held_line}\n" for held_line in held))
            blocks.append(Block(page, begin, language, text))
            fence = ""
        elif fence:
            held.append(line)
        else:
            prose.append((number, line))
    assert not fence, f"{page}: the block of line {begin} has no end"
    return blocks, prose


def blocks(language: str) -> list[Block]:
    """Return the code blocks of a language on all pages."""
    return [block for page in pages() for block in parts(page)[0] if block.language == language]


def anchors(page: Path) -> set[str]:
    """Return what a link may name after `#` in a page: the slugs of its headings."""
    headings = (HEADING.match(line) for _, line in parts(page)[1])
    return {slug(heading[1]) for heading in headings if heading}


def slug(heading: str) -> str:
    """Return the anchor that GitHub and MyST give to a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the target of each link and picture outside code, with its line."""
    for number, line in parts(page)[1]:
        for match in LINK.finditer(CODE.sub("", line)):
            yield number, match[1]


def code_spans(text: str) -> list[str]:
    """Return what stands between backquotes in a line."""
    return [match[2] for match in CODE.finditer(text)]
