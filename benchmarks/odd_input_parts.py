"""Measure what each part of odd input's repair is worth: BLEU and chrF of lines made odd.

    python benchmarks/odd_input_parts.py MODEL test.en test.de --output results/odd-input-parts.toml

The lines of a test set are translated as they are, with a symbol that the model does not know
between two of their words, and in capitals.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import torch
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import load_model
from nmt.text.lines import read_segments

SYMBOL = "\N{BLACK SPADE SUIT}"
FILE = click.Path(path_type=Path, exists=True)


def with_symbol(line: str) -> str:
    """Return a line with the symbol in the middle of its words."""
    words = line.split()
    middle = (len(words) + 1) // 2
    return " ".join([*words[:middle], SYMBOL, *words[middle:]])


def without_symbol(line: str) -> str:
    """Return a translation without the symbol and without the sign for unknown tokens."""
    return " ".join(line.replace(SYMBOL, " ").replace("\u2047", " ").split())


class Ways:
    """Translate lines by one model in the ways that are compared."""

    def __init__(self, model: Path) -> None:
        self._model = load_model(model, "cpu")

    def translate(
        self, lines: Sequence[str], odd_input: str, *, again: bool = False
    ) -> Sequence[str]:
        """Translate lines with `decode.odd_input` and `decode.search_again`."""
        decode = self._model.recipe.decode
        settings = replace(decode, odd_input=odd_input, search_again=again)
        translator = Translator(self._model, settings, lambda note: None)
        return [each.text for each in translator.translate(lines)]


@click.command()
@click.argument("model", type=FILE)
@click.argument("source", type=FILE)
@click.argument("reference", type=FILE)
@click.option("--lines", type=int, default=200, show_default=True, help="Lines to translate.")
@click.option("--note", default="", help="Which model it was.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Data file.")
def command(
    model: Path, source: Path, reference: Path, lines: int, note: str, output: Path
) -> None:
    """Translate the first lines of a test set in each way, and write BLEU and chrF."""
    torch.set_num_threads(1)
    sources, references = (list(read_segments(each))[:lines] for each in (source, reference))
    odd, upper = [with_symbol(each) for each in sources], [each.upper() for each in sources]
    ways = Ways(model)
    plain = ways.translate(sources, "as_is")
    is_equal = plain == ways.translate(sources, "repair")
    capitals = [each.upper() for each in references]
    found = {
        f"plain, {'as_is and repair' if is_equal else 'as_is'}": (plain, references),
        "plain, search_again": (ways.translate(sources, "repair", again=True), references),
        "symbol, as_is: read as unknown": (ways.translate(odd, "as_is"), references),
        "symbol, repair: not read": (ways.translate(odd, "repair"), references),
        "capitals, as_is": (ways.translate(upper, "as_is"), capitals),
        "capitals, repair": (ways.translate(upper, "repair"), capitals),
        "capitals, of the plain line": ([each.upper() for each in plain], capitals),
    }
    cells = []
    for row, (texts, wanted) in found.items():
        outputs = [without_symbol(each) for each in texts]
        for column, metric in (("BLEU", BLEU()), ("chrF", CHRF())):
            score = metric.corpus_score(outputs, [wanted]).score
            cells.append(Cell(row, column, round(score, 1), column))
            click.echo(f"{row}: {column} {score:.1f}")
    fields = describe(
        what="what the parts of odd input's repair are worth",
        command=f"python benchmarks/odd_input_parts.py MODEL {source.name} {reference.name}",
        peer="none",
        note=f"{note} The first {lines} lines of {source.stem}. Symbol: a {SYMBOL} between two"
        " words of each line; it is taken out of the output before scoring. Capitals: source and"
        " reference in capitals; the last row is the translation of the plain source, in capitals."
        " In the plain lines, nothing is odd. The lines with a symbol are odd, so outputs that"
        " repeat themselves are searched again; compare them with search_again.".strip(),
        rows="input and way",
    )
    write(output, fields, cells)


if __name__ == "__main__":
    command()
