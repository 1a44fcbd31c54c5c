"""Compare translations by CTranslate2 with those by nmt: texts, scores and BLEU.

    pip install '.[ctranslate2]'
    python benchmarks/engine_exact.py runs/multi30k_en_de/model.safetensors test.en test.de

Each line is a search, float32 unless it says otherwise, on a CPU.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import click
import sacrebleu

from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.interop.export import export_model
from nmt.text.lines import read_segments

# [decode] settings and the length of n-best lists; beam 4 unless it is greedy.
Settings = dict[str, object]
SEARCHES: dict[str, tuple[Settings, int]] = {
    "greedy": ({"beam_size": 1}, 1),
    "alpha 0": ({"length_penalty": 0.0}, 1),
    "alpha 0, 4 best": ({"length_penalty": 0.0}, 4),
    "alpha 0.6": ({"length_penalty": 0.6}, 1),
    "alpha 0.6, 4 best": ({"length_penalty": 0.6}, 4),
    "alpha 1.0": ({"length_penalty": 1.0}, 1),
    "alpha 1.4": ({"length_penalty": 1.4}, 1),
    "beam_finished": ({"length_penalty": 0.6, "stopping": "beam_finished"}, 1),
    "min_length 15": ({"length_penalty": 0.6, "min_length": 15}, 1),
    "no_repeat_ngram 2": ({"length_penalty": 0.6, "no_repeat_ngram": 2}, 1),
}
QUANTIZATIONS = ("int8", "int16", "float16", "bfloat16")


def translate(
    engine: str, path: Path, lines: list[str], settings: Settings, n_best: int = 1
) -> list[Translation]:
    """Translate lines by an engine with these [decode] settings."""
    model, chosen = load_models([path], "cpu", lambda _: None, engine=engine)
    chosen = replace(chosen, **({"beam_size": 4, "precision": "auto"} | settings))  # type: ignore[arg-type] # checked by the search
    translator = Translator(model, chosen, lambda _: None, OutputOptions(n_best))
    return list(translator.translate(lines))


def compare(ours: list[Translation], theirs: list[Translation]) -> str:
    """Describe how many best texts and n-best lists are equal, and how scores differ."""
    best = lists = 0
    difference = 0.0
    for one, other in zip(ours, theirs, strict=True):
        best += one.text == other.text
        lists += [x.text for x in one.candidates] == [x.text for x in other.candidates]
        known = {(each.text, each.length): each.score for each in one.candidates}
        for each in other.candidates:
            known_score = known.get((each.text, each.length))
            if known_score is not None:
                difference = max(difference, abs(known_score - each.score))
    return (
        f"best {best}, whole lists {lists} of {len(ours)}; scores differ by at most"
        f" {difference:.1e}"
    )


def bleu(found: list[Translation], references: list[str]) -> float:
    """Return the BLEU of the best texts."""
    return float(sacrebleu.corpus_bleu([each.text for each in found], [references]).score)


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("reference", type=click.Path(path_type=Path, exists=True))
@click.option("--limit", default=1000, show_default=True, help="Lines to translate.")
def command(model: Path, source: Path, reference: Path, limit: int) -> None:
    """Translate SOURCE with MODEL by nmt and by CTranslate2, and compare."""
    lines, references = ([*read_segments(each)][:limit] for each in (source, reference))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "float32"
        export_model(model, folder, "ctranslate2")
        for search, (settings, n_best) in SEARCHES.items():
            ours = translate("nmt", model, lines, settings, n_best)
            theirs = translate("ctranslate2", folder, lines, settings, n_best)
            scores = f"BLEU {bleu(ours, references):.2f}, {bleu(theirs, references):.2f}"
            click.echo(f"{search}: {compare(ours, theirs)}; {scores}")
        settings, _ = SEARCHES["alpha 0.6"]
        ours = translate("nmt", model, lines, settings)
        for quantization in QUANTIZATIONS:
            folder = Path(name) / quantization
            export_model(model, folder, "ctranslate2", quantization)
            theirs = translate("ctranslate2", folder, lines, settings)
            size = (folder / "model.bin").stat().st_size
            scores = f"BLEU {bleu(ours, references):.2f}, {bleu(theirs, references):.2f}"
            click.echo(f"{quantization} ({size:,} bytes): {compare(ours, theirs)}; {scores}")


if __name__ == "__main__":
    command()
