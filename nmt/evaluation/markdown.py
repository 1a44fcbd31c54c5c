"""A card for people, in Markdown: texts of users stand in code spans, where nothing is markup."""

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from nmt.evaluation.table import confidence, length_range, size
from nmt.recipe import toml_value

Data = dict[str, Any]

PAPER_NOTE = (
    "`BLEU paper` is BLEU as Vaswani et al. (2017) report it: Moses' tokens, hyphenated compounds"
    " split, nothing smoothed. It is not comparable with `BLEU`, which is sacreBLEU's."
)


def as_markdown(card: Data) -> str:
    """The whole card."""
    system = code(card.get("model") or card["hypotheses"])
    others = [code(other["model"]) for other in card.get("ensemble_with", [])]
    title = " + ".join([f"the ensemble {system}", *others]) if others else system
    parts = [f"# Evaluation of {title}", table(("", ""), circumstances(card))]
    for result in card["results"]:
        parts += result_parts(result)
    if any("BLEU paper" in result["scores"] for result in card["results"]):
        parts.append(PAPER_NOTE)
    parts += [f"Left out: {each}." for each in card["left_out"]]
    if card["recipe"]:
        whose = " of the first model" if others else ""
        parts += [f"## Recipe{whose}", settings(card["recipe"])]
    return "\n\n".join(parts) + "\n"


def circumstances(card: Data) -> list[tuple[str, str]]:
    """What was evaluated, when and with what."""
    rows = [("SHA-256", code(card["sha256"]))]
    for other in card.get("ensemble_with", []):
        facts = f"recipe {code(other['recipe'])}, SHA-256 {code(other['sha256'])}"
        rows.append(("ensemble with", f"{code(other['model'])}, {facts}"))
    if card["recipe"]:
        rows.insert(0, ("recipe", code(card["recipe"]["name"])))
    if "decode" in card:
        rows.append(("decoding", listed(card["decode"])))
        rows.append(("device", code(card["device"])))
    rows.append(("date", card["date"]))
    rows.append(("command", code(shlex.join(card["command"]))))
    rows.append(("versions", listed(card["versions"])))
    return rows


def result_parts(result: Data) -> list[str]:
    """A test set's section."""
    sums = [f"source {code(result['sha256']['source'])}"] if result["sha256"]["source"] else []
    sums += [f"references {code(each)}" for each in result["sha256"]["references"]]
    parts = [
        f"## {code(result['test_set'])}",
        f"{size(result)}. SHA-256 of the text, one segment a line: {', '.join(sums)}.",
        table(
            ("metric", "score", "95 % confidence", "signature"),
            [
                (code(name), f"{each['value']:.2f}", confidence(each), code(each["signature"]))
                for name, each in result["scores"].items()
            ],
        ),
    ]
    if "exact_match" in result:
        matches = [
            (code(label), f"{100 * each['right'] / each['segments']:.1f} %", str(each["segments"]))
            for label, each in result["exact_match"].items()
        ]
        parts.append(table(("phenomenon", "exact match", "segments"), matches))
    for other in result.get("compared", []):
        parts += comparison_parts(other)
    return [*parts, *length_parts(result["by_length"]), *example_parts(result["examples"])]


def comparison_parts(other: Data) -> list[str]:
    """How another system does, and whether that may be chance."""
    system = other["system"]
    rows = [
        (
            code(name),
            f"{each['value']:.2f}",
            confidence(each),
            f"{each['difference']:+.2f}",
            f"{each['p_value']:.4f}",
        )
        for name, each in other["scores"].items()
    ]
    facts = [f"SHA-256 {code(system['sha256'])}"]
    facts += [listed(system["decode"])] if "decode" in system else []
    return [
        f"### Compared with {code(system.get('model') or system['hypotheses'])}",
        f"{'; '.join(facts)}. p, two-sided and by approximate randomisation, is the chance of a"
        " difference as great between systems that are equally good.",
        table(("metric", "score", "95 % confidence", "difference", "p"), rows),
    ]


def length_parts(lengths: Data) -> list[str]:
    """Scores by length."""
    names = [*lengths["buckets"][0]["scores"]]
    rows = [
        (
            length_range(bucket),
            f"{bucket['segments']:,}",
            *(f"{bucket['scores'][name]:.2f}" for name in names),
        )
        for bucket in lengths["buckets"]
    ]
    heads = ("length", "segments", *map(code, names))
    return ["### By length", f"In {lengths['length']}.", table(heads, rows)]


def example_parts(examples: Data) -> list[str]:
    """The worst and the best segments."""
    parts = []
    for title, shown in (("Worst", examples["worst"]), ("Best", examples["best"])):
        if not shown:
            continue
        parts.append(f"### {title} segments by {code(examples['ranked_by'])}")
        for each in shown:
            lines = [f"- line {each['line']}: {each['score']:.2f}"]
            lines += [f"  - source: {code(each['source'])}"] if each["source"] is not None else []
            lines.append(f"  - output: {code(each['hypothesis'])}")
            lines += (f"  - reference: {code(reference)}" for reference in each["references"])
            parts.append("\n".join(lines))
    return parts


def settings(recipe: Data) -> str:
    """A resolved recipe's settings as TOML, fenced."""
    lines = []
    for section, values in recipe.items():
        if isinstance(values, dict):
            lines.append(f"[{section}]")
            lines += (f"{key} = {toml_value(value)}" for key, value in values.items())
    text = "\n".join(lines)
    fence = ticks(text, at_least=3)
    return f"{fence}toml\n{text}\n{fence}"


def listed(values: Data) -> str:
    """Named values on one line."""
    return ", ".join(f"{name} {code(value)}" for name, value in values.items())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars within cells do not end them."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def code(value: Any) -> str:
    """Any value in a code span, white space made single."""
    text = " ".join(str(value).split())
    fence = ticks(text)
    space = " " if not text or text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def ticks(text: str, at_least: int = 1) -> str:
    """More backticks in a row than a text holds itself."""
    return "`" * max(at_least, 1 + max(map(len, re.findall("`+", text)), default=0))
