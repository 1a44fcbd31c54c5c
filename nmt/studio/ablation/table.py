"""An ablation as Markdown: what `nmt ablate` prints and leaves as ablation.md."""

from typing import Any

from nmt.evaluation.markdown import code, table

Data = dict[str, Any]

DIGITS = {"loss": 3, "perplexity": 2, "score": 2, "minutes": 1, "updates": 0}


def as_markdown(data: Data) -> str:
    """The whole of it."""
    parts = [
        f"# Ablation of {code(data['recipe'])}",
        f"Made by {code(data['command'])}.",
        explanation(data),
        variants_table(data),
        *data["cautions"],
        "## Each run",
        runs_table(data),
    ]
    return "\n\n".join(parts) + "\n"


def explanation(data: Data) -> str:
    """What the figures are of."""
    many = len(data["seeds"]) > 1
    seeds = f"seeds {', '.join(map(str, data['seeds']))}" if many else f"seed {data['seeds'][0]}"
    spread = "the mean over {} that are finished (lowest to highest)" if many else "those of {}"
    overlap = (
        " ≈ marks one that is within what seeds do: the ranges of both overlap." if many else ""
    )
    return (
        "Figures are of the average of each run's last checkpoints on the dev set, a token where"
        f" they are loss or perplexity: {spread.format(seeds)}. Differences are to the base, over"
        f" the seeds that both have.{overlap} Minutes are of updates, validations not counted."
    )


def variants_table(data: Data) -> str:
    """A row a variant."""
    measure = data["measure"]["name"]
    heads = (
        *("variant", "parameters", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"{measure} − base", "perplexity − base", "minutes"),
    )
    return table(heads, [variant_row(each, data) for each in data["variants"]])


def variant_row(variant: Data, data: Data) -> tuple[str, ...]:
    """What a variant changes and what became of it."""
    summary = variant["summary"]
    missing = len(data["seeds"]) - variant["finished"]
    unfinished = f" ({variant['finished']} of {len(data['seeds'])} runs)" if missing else ""
    return (
        named(variant) + unfinished,
        f"{variant['parameters']:,}",
        *(ranged(summary[name], name) for name in ("updates", "loss", "perplexity", "score")),
        *(change(variant["difference"], name) for name in ("score", "perplexity")),
        ranged(summary["minutes"], "minutes", mean_only=True),
    )


def named(variant: Data) -> str:
    """The changes, each with the base's value; or the base."""
    changes = (
        f"{code(each['setting'] + '=' + each['value'])} (base {code(each['base'])})"
        for each in variant["changes"]
    )
    return ", ".join(changes) or "base"


def ranged(spread: Data | None, name: str, *, mean_only: bool = False) -> str:
    """A mean, and its range if there is one."""
    if spread is None:
        return "–"
    mean, lowest, highest = (
        f"{spread[key]:,.{DIGITS[name]}f}" for key in ("mean", "lowest", "highest")
    )
    return mean if mean_only or lowest == highest else f"{mean} ({lowest} to {highest})"


def change(difference: Data | None, name: str) -> str:
    """A difference with its sign, and whether seeds differ as much."""
    if difference is None:
        return ""
    mean, overlaps = difference[name]["mean"], difference[name]["overlaps"]
    return f"{mean:+.{DIGITS[name]}f}{' ≈' if overlaps else ''}"


def runs_table(data: Data) -> str:
    """A row a run."""
    measure = data["measure"]["name"]
    heads = (
        *("variant", "seed", "state", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"best {measure} (at update)", "minutes", "folder"),
    )
    rows = [run_row(variant, run) for variant in data["variants"] for run in variant["runs"]]
    return table(heads, rows)


def run_row(variant: Data, run: Data) -> tuple[str, ...]:
    """A run's own figures."""
    average, best = run["average"], run["best"]
    return (
        code(variant["name"]) if variant["changes"] else "base",
        str(run["seed"]),
        run["state"],
        f"{run['updates']:,}",
        *(number(average and average[name], name) for name in ("loss", "perplexity", "score")),
        f"{number(best['score'], 'score')} ({best['update']:,})" if best else "–",
        f"{run['minutes']:.1f}",
        code(run["folder"]),
    )


def number(value: float | None, name: str) -> str:
    """A figure, if there is one."""
    return "–" if value is None else f"{value:,.{DIGITS[name]}f}"
