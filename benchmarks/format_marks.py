"""Measure how many marks of real files survive a translation, through the whole pipeline.

    make docs
    python benchmarks/format_marks.py MODEL --pages build/docs --sentences test.en \\
        --read side-by-side.txt --output benchmarks/results/format-marks.toml

500 messages with placeholders come from the catalogues of installed packages and of folders with
unpacked ones, 300 paragraphs with tags from HTML pages. Both are always the same for the same
packages and pages. They are written as one catalogue and one page, which are translated as
`nmt translate` does. Then this script looks for the placeholders and tags in its own way: it does
not use that of the program. With `--sentences`, a tag is put around words of the first 50 lines,
for a person who reads whether it encloses the right words of the translation.
"""

import hashlib
import html
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

import click
import polib
import torch
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Options, escaped
from nmt.documents.registry import FORMATS
from nmt.documents.translate import TranslatedSegment, document_translator
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.atomic import write_text
from nmt.text.lines import read_segments

MESSAGES = 500
PARAGRAPHS = 300
READ = 50  # sentences that a person reads
FEWEST_WORDS = 3  # of a paragraph; signatures of functions have fewer
SHOWN = {"title", "alt", "aria-label", "placeholder"}  # attributes that are translated themselves
LONGEST_MARK = 99  # characters; a longer one is shown shortened
PLACEHOLDER = re.compile(
    r"%%"
    r"|%(?:\(\w+\)|\d+\$)?[-+0#]*\d*(?:\.\d+)?[hlzjqL]{0,2}[diouxXeEfFgGcrsap]"
    r"|\{[\w.]*(?:![rsa])?(?::[^{}]*)?\}"
)
FORMAT_FLAGS = ("python-format", "python-brace-format", "c-format")
FILE = click.Path(path_type=Path, exists=True)


def placeholders(text: str) -> Counter[str]:
    """Return the placeholders of a text."""
    return Counter(PLACEHOLDER.findall(text))


def order(text: str) -> str:
    """Return a key by which texts are in an order without meaning, always the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def messages(folders: Sequence[Path], wanted: int) -> list[polib.POEntry]:
    """Return messages with placeholders of the catalogues in folders, in an arbitrary order."""
    found: dict[str, polib.POEntry] = {}
    paths = [path for folder in folders for path in sorted(folder.rglob("*.po*"))]
    for path in (each for each in paths if each.suffix in (".po", ".pot")):
        for entry in polib.pofile(str(path)):
            flags = [flag for flag in entry.flags if flag in FORMAT_FLAGS]
            if flags and placeholders(entry.msgid) and not entry.msgid_plural:
                found.setdefault(entry.msgid, polib.POEntry(msgid=entry.msgid, flags=flags))
    return [found[each] for each in sorted(found, key=order)[:wanted]]


def catalogue(entries: Iterable[polib.POEntry]) -> bytes:
    """Return a catalogue of messages without translations."""
    made = polib.POFile(wrapwidth=79)
    made.metadata = {"Language": "", "Content-Type": "text/plain; charset=UTF-8"}
    made.extend(entries)
    return f"{made}\n".encode()


def paragraphs(folder: Path, wanted: int) -> list[str]:
    """Return the HTML of paragraphs with tags in them, in an arbitrary order."""
    found: dict[str, None] = {}
    options = Options()
    for path in sorted(folder.rglob("*.html")):
        for segment in FORMATS["html"].read(path.read_bytes(), options).segments:
            source = segment.source
            has_pair = any(mark.kind is Kind.OPEN for mark in source.marks)
            is_sentence = len(source.without_marks().split()) >= FEWEST_WORDS
            if has_pair and is_sentence and max(map(len, source.mark_texts())) <= LONGEST_MARK:
                found.setdefault(escaped(source, lambda text: html.escape(text, quote=False)))
    return sorted(found, key=order)[:wanted]


def page(texts: Iterable[str]) -> bytes:
    """Return a page of paragraphs."""
    body = "\n".join(f"<p>{each}</p>" for each in texts)
    head = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body>\n'
    return f"{head}{body}\n</body></html>\n".encode()


class Tags(HTMLParser):
    """The tags of each paragraph of a page, and which paragraphs are not balanced."""

    def __init__(self, content: str) -> None:
        """Read a page."""
        super().__init__()
        self.found: list[Counter[str]] = []
        self.unbalanced: set[int] = set()
        self._open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a start tag with its attributes."""
        if tag == "p":
            self.found.append(Counter())
            self._open = []
        elif self.found:
            kept = [(name, value) for name, value in attrs if name not in SHOWN]
            self.found[-1][f"{tag} {kept}"] += 1
            if tag not in ("br", "img", "wbr", "input"):
                self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note an end tag; it must be that of the innermost open one."""
        if tag == "p":
            if self._open:
                self.unbalanced.add(len(self.found) - 1)
        elif self._open and self._open.pop() == tag:
            return
        elif self.found and tag not in ("body", "html"):
            self.unbalanced.add(len(self.found) - 1)


def translated(
    model: TrainedModel, name: str, content: bytes, options: Options
) -> tuple[str, Sequence[TranslatedSegment]]:
    """Return the translation of a file's content and the results of its segments."""
    translator = document_translator(model, model.recipe.decode, options)
    document = FORMATS[name].read(content, options)
    (done,) = translator.translate([(name, document)])
    joined = document.join([each.text for each in done.results])
    return joined.content.decode(), done.results


def flagged(results: Iterable[TranslatedSegment], key: str) -> set[str]:
    """Return the contexts or the places of the segments that are flagged."""
    return {str(getattr(each.segment, key)) for each in results if each.flags}


def message_cells(model: TrainedModel, folders: Sequence[Path], options: Options) -> Iterator[Cell]:
    """Translate messages and yield what became of their placeholders."""
    entries = messages(folders, MESSAGES)
    for number, entry in enumerate(entries):
        entry.msgctxt = str(number)
    content, results = translated(model, "po", catalogue(entries), options)
    told = flagged(results, "context")
    outcomes = Counter(
        outcome(placeholders(each.msgid) == placeholders(each.msgstr), each.msgctxt in told)
        for each in polib.pofile(content)
    )
    yield from cells("messages with placeholders", outcomes)


def outcome(is_kept: bool, is_flagged: bool) -> str:
    """Return what became of a text."""
    if is_kept:
        return "kept, flagged" if is_flagged else "kept"
    return "not kept, flagged" if is_flagged else "not kept, not flagged"


def cells(row: str, outcomes: Counter[str]) -> Iterator[Cell]:
    """Yield the figures of one kind of texts."""
    yield Cell(row, "all", sum(outcomes.values()), "texts")
    for name in ("kept", "kept, flagged", "not kept, flagged"):
        yield Cell(row, name, outcomes[name], "texts")
    name = "not kept, not flagged"
    yield Cell(row, name, outcomes[name], "texts", goal="0")


def paragraph_cells(model: TrainedModel, texts: Sequence[str], options: Options) -> Iterator[Cell]:
    """Translate paragraphs and yield what became of their tags."""
    given = page(texts)
    content, results = translated(model, "html", given, options)
    before, after = Tags(given.decode()), Tags(content)
    first = given.decode().splitlines().index(f"<p>{texts[0]}</p>") + 1
    told = flagged(results, "place")
    outcomes = Counter(
        outcome(
            number not in after.unbalanced and before.found[number] == after.found[number],
            f"line {first + number}" in told,
        )
        for number in range(len(texts))
    )
    yield from cells("paragraphs with tags", outcomes)


def tagged(sentence: str) -> str:
    """Return a sentence with a tag around one to three of its words, always the same ones."""
    words = html.escape(sentence, quote=False).split()
    number = int(order(sentence)[:8], 16)
    count = 1 + number % 3
    begin = number // 3 % max(1, len(words) - count)
    inner = " ".join(words[begin : begin + count])
    return " ".join([*words[:begin], f"<b>{inner}</b>", *words[begin + count :]])


def side_by_side(model: TrainedModel, sentences: Iterable[str], options: Options) -> Iterator[str]:
    """Translate sentences with a tag, and yield the lines of a text for a person to read."""
    texts = [tagged(each) for each in sentences]
    content, _ = translated(model, "html", page(texts), options)
    shown = re.findall("<p>(.*?)</p>", content)
    for number, (text, translation) in enumerate(zip(texts, shown, strict=True), 1):
        yield from (f"{number}. {text}", f"   {translation}", "")


@click.command()
@click.argument("model", type=FILE)
@click.option("--pages", type=FILE, required=True, help="Folder with HTML pages.")
@click.option("--packages", type=FILE, multiple=True, help="Folder with more catalogues.")
@click.option("--sentences", type=FILE, help="Text of the kind that the model was trained with.")
@click.option(
    "--read", type=click.Path(path_type=Path), help="File for its first lines, with tags."
)
@click.option("--note", default="", help="Which model it was.")
@click.option("--output", type=click.Path(path_type=Path), help="Data file.")
def command(
    model: Path,
    pages: Path,
    packages: Sequence[Path],
    sentences: Path | None,
    read: Path | None,
    note: str,
    output: Path | None,
) -> None:
    """Translate messages and paragraphs, and count how many keep their marks."""
    torch.set_num_threads(1)
    loaded = load_model(model, "cpu")
    data = loaded.recipe.data
    options = Options(data.source_language, data.target_language)
    folders = [Path(sysconfig.get_path("purelib")), *packages]
    found = [
        *message_cells(loaded, folders, options),
        *paragraph_cells(loaded, paragraphs(pages, PARAGRAPHS), options),
    ]
    if sentences is not None and read is not None:
        lines = [*islice(read_segments(sentences), READ)]
        write_text(read, "\n".join(side_by_side(loaded, lines, options)))
    for each in found:
        click.echo(f"{each.row}: {each.column}: {each.value} {each.unit}")
    if output is not None:
        fields = describe(
            what="marks of real files in their translations",
            command="python benchmarks/format_marks.py MODEL --pages build/docs"
            " --packages PACKAGES",
            peer="none",
            note=note,
            rows="texts",
        )
        write(output, fields, found)


if __name__ == "__main__":
    command()
