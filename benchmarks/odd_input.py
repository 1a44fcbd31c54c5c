"""Count the faults in translations of odd input, before and after it is repaired.

    python benchmarks/odd_input.py multi30k=runs/multi30k_en_de pocket=runs/pocket \
        --output benchmarks/results/odd-input.toml --texts benchmarks/results/odd-input.json

The lines are those of odd_input.json, in groups. A translation may have these faults:

- loop: 1 to 4 words or characters more than 3 times in a row, and more often than in the input;
- too long: more than 2.5 times as many characters as the input, and 20 more;
- unknown: it has U+2047;
- lost: the input has a sign or letter outside ASCII and outside Latin that the output lacks;
- invented: letters, where the input has none.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import torch
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.repetition import most_repeats
from nmt.decoding.translator.translator import Translator
from nmt.system.atomic import write_text

INPUTS = Path(__file__).with_suffix(".json")
FAULTS = ("loop", "too long", "unknown", "lost", "invented")
WAYS = ("as_is", "repair")  # decode.odd_input: before and after
FIRST_FOREIGN = 0x250  # after the Latin letters


def faults(source: str, output: str) -> set[str]:
    """Return the faults of an output."""
    found = set()
    units = [each.split() for each in (source, output)], [[*source], [*output]]
    if any(repeats(out) > max(3, repeats(given)) for given, out in units):
        found.add("loop")
    if len(output) > 2.5 * len(source) + 20:
        found.add("too long")
    if "\u2047" in output:
        found.add("unknown")
    foreign = {each for each in source if ord(each) >= FIRST_FOREIGN and each.isprintable()}
    if foreign - set(output) - set("\u2014\u201c\u201d\u201e\u2103"):  # marks may be translated
        found.add("lost")
    if not any(map(str.isalpha, source)) and any(map(str.isalpha, output)):
        found.add("invented")
    return found


def repeats(units: Sequence[str]) -> int:
    """Return how many times 1 to 4 units follow one another, at most."""
    numbers = {each: number for number, each in enumerate(dict.fromkeys(units))}
    return most_repeats([numbers[each] for each in units])


def translate(model: Path, lines: Iterable[str]) -> dict[str, list[str]]:
    """Return the translations of lines as they are and repaired."""
    loaded, settings = load_models([model], "cpu", click.echo)
    found = {}
    for way in WAYS:
        translator = Translator(loaded, replace(settings, odd_input=way), lambda _: None)
        found[way] = [each.text for each in translator.translate(lines)]
    return found


def cells(name: str, groups: dict[str, list[str]], outputs: dict[str, list[str]]) -> list[Cell]:
    """Return the number of outputs with faults in each group, and of each fault in all."""
    made = []
    for way, label in zip(WAYS, ("before", "after"), strict=True):
        column = f"{name}, {label}"
        rest = iter(outputs[way])
        found = {
            group: [faults(line, next(rest)) for line in lines] for group, lines in groups.items()
        }
        for group, each in found.items():
            count = sum(map(bool, each))
            made.append(Cell(f"{group}, of {len(each)}", column, count, "outputs with a fault"))
        every = [each for group in found.values() for each in group]
        total = sum(map(bool, every))
        made.append(Cell(f"all, of {len(every)}", column, total, "outputs with a fault"))
        made += [
            Cell(
                f"fault: {kind}",
                column,
                sum(kind in each for each in every),
                "outputs with a fault",
            )
            for kind in FAULTS
        ]
    return made


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="NAME=MODEL...")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Data file.")
@click.option("--texts", type=click.Path(path_type=Path), help="File for the outputs, as JSON.")
def command(models: tuple[str, ...], output: Path, texts: Path | None) -> None:
    """Translate the lines of odd_input.json with models, and count the faults of the outputs."""
    torch.set_num_threads(1)
    groups: dict[str, list[str]] = json.loads(INPUTS.read_text(encoding="utf-8"))
    lines = [line for group in groups.values() for line in group]
    names = [each.partition("=")[0] for each in models]
    outputs = {
        name: translate(Path(each.partition("=")[2]), lines)
        for name, each in zip(names, models, strict=True)
    }
    found = [each for name in names for each in cells(name, groups, outputs[name])]
    fields = describe(
        what="faults in translations of odd input",
        command="python benchmarks/odd_input.py " + " ".join(f"{name}=MODEL" for name in names),
        peer="none",
        note="Before: decode.odd_input=as_is. After: the default, repair.",
        rows="outputs with a fault",
    )
    write(output, fields, found)
    if texts is not None:
        rows = [
            {"input": line}
            | {f"{name}, {way}": outputs[name][way][index] for name in names for way in WAYS}
            for index, line in enumerate(lines)
        ]
        text = json.dumps(rows, ensure_ascii=False, indent=1)
        write_text(texts, f"{text}\n")


if __name__ == "__main__":
    command()
