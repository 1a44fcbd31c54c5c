"""Print an evaluation on a terminal."""

from nmt.config import DecodeSettings
from nmt.evaluation.results import Evaluation, LengthBucket, SystemResult, TestSetResult
from nmt.evaluation.scores import RESAMPLES, ExactMatch, Interval

CONFIDENCE = f"mean and 95 % confidence interval of {RESAMPLES:,} bootstrap resamples"
P_VALUE = "probability of a difference at least this large between equally good systems"


def as_text(evaluation: Evaluation) -> str:
    """Return the scores of every test set, and how other systems compare, as lines of text."""
    system = evaluation.system
    lines = [f"ensemble: {system.name}"] if system.ensemble else []
    if system.decode:
        engine = f", searched by {system.engine}" if system.engine else ""
        lines.append(search_line(system.decode) + engine)
    for result in evaluation.test_sets:
        lines += result_lines(result)
    lines += legend(evaluation)
    return printable("".join(f"{line}\n" for line in lines))


def search_line(decode: DecodeSettings) -> str:
    """Return how translations are found."""
    found = (
        f"beam {decode.beam_size}, length penalty {decode.length_penalty:g} (GNMT), at most"
        f" {decode.max_extra_tokens} tokens more than the input"
    )
    if decode.method == "sample":
        found = (
            f"samples of temperature {decode.temperature:g}, top_k {decode.top_k}, top_p"
            f" {decode.top_p:g}, seed {decode.seed}"
        )
    if decode.mbr != DecodeSettings.mbr:
        found = f"minimum Bayes risk by {decode.mbr}, candidates by {found}"
    if decode.max_length:
        found += f", at most {decode.max_length} tokens"
    return found


def legend(evaluation: Evaluation) -> list[str]:
    """Return lines that explain the figures of the table."""
    scores = [each for result in evaluation.test_sets for each in result.systems[0].scores]
    lower = dict.fromkeys(each.name for each in scores if each.lower_is_better)
    lines = [f"lower is better: {', '.join(lower)}"] if lower else []
    if any(each.interval for each in scores):
        lines.append(f"in brackets: {CONFIDENCE}")
    if any(len(result.systems) > 1 for result in evaluation.test_sets):
        lines.append("with a sign: the difference from the first system")
        lines.append(f"p: {P_VALUE}")
    return lines


def result_lines(result: TestSetResult) -> list[str]:
    """Return the lines of a test set."""
    evaluated, *others = result.systems
    lines = [f"{result.name} ({size(result)})"]
    width = max(len(score.name) for score in evaluated.scores)
    for score in evaluated.scores:
        # The interval is around the mean of the resampled scores, not around the score.
        interval = f" ({confidence(score.interval)})" if score.interval else ""
        lines.append(f"  {score.name:{width}} {score.value:6.2f}{interval}  {score.signature}")
    for other in others:
        lines += comparison_lines(other, evaluated.system.decode, width)
    return [*lines, *exact_match_lines(result.exact_matches)]


def comparison_lines(other: SystemResult, decode: DecodeSettings | None, width: int) -> list[str]:
    """Return the scores of another system, and whether they differ from the first system's.

    decode: how the first system searched; the other's search is named if it differs.
    """
    lines = [f"  compared with {other.name} ({other.scores[0].test})"]
    own = other.system.decode
    if own and (decode is None or search_line(own) != search_line(decode)):
        lines.append(f"    {search_line(own)}")
    for score in other.scores:
        lines.append(
            f"    {score.name:{width}} {score.value:6.2f}  {score.difference:+.2f},"
            f" p = {score.p_value:.4f}"
        )
    return lines


def exact_match_lines(matches: tuple[ExactMatch, ...]) -> list[str]:
    """Return the share of exact matches for each label, under a heading."""
    lines = [
        f"    {each.label:20} {each.percent:5.1f} %  ({each.right} of {each.segments})"
        for each in matches
    ]
    return ["  exact match by phenomenon", *lines] if lines else []


def confidence(interval: Interval) -> str:
    """Return an interval as mean ± radius."""
    return f"{interval.mean:.2f} ± {interval.radius:.2f}"


def printable(text: str) -> str:
    """Return text that can be printed: a byte of a file name that is not UTF-8 becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def size(result: TestSetResult) -> str:
    """Return how many segments, lines and references a test set has."""
    merged = f" on {result.lines:,} lines" if result.lines > result.segments else ""
    several = f", up to {result.references} references" if result.references > 1 else ""
    return f"{result.segments:,} segments{merged}{several}"


def length_range(bucket: LengthBucket) -> str:
    """Return the lengths of a bucket, such as "11-20" or "51 and more"."""
    return (
        f"{bucket.shortest}-{bucket.longest}" if bucket.longest else f"{bucket.shortest} and more"
    )
