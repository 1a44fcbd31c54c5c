"""An evaluation as lines for a terminal."""

from typing import Any

Data = dict[str, Any]


def as_text(report: Data) -> str:
    """The scores of every test set, and how other systems compare."""
    lines = []
    if "ensemble_with" in report:
        others = [each["model"] for each in report["ensemble_with"]]
        lines.append(f"ensemble: {' + '.join([report['model'], *others])}")
    if "decode" in report:
        settings = report["decode"]
        lines.append(
            f"beam {settings['beam_size']}, length penalty {settings['length_penalty']:g} (GNMT),"
            f" at most {settings['max_extra_tokens']} tokens more than the input"
        )
    for result in report["results"]:
        lines += result_lines(result)
    return "\n".join(lines)


def result_lines(result: Data) -> list[str]:
    """A test set's lines."""
    lines = [f"{result['test_set']} ({size(result)})"]
    width = max(map(len, result["scores"]))
    for name, each in result["scores"].items():
        # The interval is around the mean of the resampled scores, which need not be the score.
        interval = f" ({confidence(each)})" if "confidence_95" in each else ""
        lines.append(f"  {name:{width}} {each['value']:6.2f}{interval}  {each['signature']}")
    for other in result.get("compared", []):
        system = other["system"]
        lines.append(f"  compared with {system.get('model') or system['hypotheses']}")
        for name, each in other["scores"].items():
            lines.append(
                f"    {name:{width}} {each['value']:6.2f}  {each['difference']:+.2f},"
                f" p = {each['p_value']:.4f}"
            )
    if "exact_match" in result:
        lines.append("  exact match by phenomenon")
    for label, each in result.get("exact_match", {}).items():
        share = 100 * each["right"] / each["segments"]
        lines.append(f"    {label:20} {share:5.1f} %  ({each['right']} of {each['segments']})")
    return lines


def confidence(score: Data) -> str:
    """An interval as mean and radius."""
    interval = score["confidence_95"]
    return f"{interval['mean']:.2f} ± {interval['radius']:.2f}"


def size(result: Data) -> str:
    """How much a test set holds."""
    merged = f" on {result['lines']:,} lines" if result["lines"] > result["segments"] else ""
    several = f", up to {result['references']} references" if result["references"] > 1 else ""
    return f"{result['segments']:,} segments{merged}{several}"


def length_range(bucket: Data) -> str:
    """A bucket's lengths, such as 11-20 or 51 and more."""
    return f"{bucket['from']}-{bucket['to']}" if bucket["to"] else f"{bucket['from']} and more"
