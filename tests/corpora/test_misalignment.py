"""Two files that slip are followed, and files that do not are left alone."""

import gzip
import random
from collections.abc import Callable
from warnings import catch_warnings, simplefilter

import pytest

from nmt.corpora.faults.misalignment import Course, common_prefixes, features, follow
from nmt.corpora.faults.segment import Segment
from nmt.system.files import shipped
from tests.corpora.corpora import Pairs, corpus

PAIRS = corpus(3000)
EVIDENCE = 25.0
NEAR = 20  # lines


def course(sources: list[str], targets: list[str]) -> Course:
    both = [[Segment(text) for text in side] for side in (sources, targets)]
    common = common_prefixes(both[0]) | common_prefixes(both[1])
    return follow([features(side, common) for side in both], EVIDENCE)


def sides(pairs: Pairs) -> tuple[list[str], list[str]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@pytest.mark.parametrize("seed", range(3))
def test_text_that_is_sorted_by_length_does_not_slip(seed: int) -> None:
    """Neighbours have equal lengths, so lengths tell nothing."""
    draw = random.Random(seed)
    sample = draw.sample(PAIRS, draw.choice((250, 500, 1000)))
    assert course(*sides(sorted(sample, key=lambda pair: len(pair[0])))).misalignments == ()


def test_titles_before_sentences_are_not_sorted_by_length() -> None:
    """In them, lengths tell which line is lost."""
    titles = [(" ".join(s.split()[:2]), " ".join(t.split()[:2])) for s, t in PAIRS[:1000]]
    texts = sides(titles + PAIRS[1000:2000])
    del texts[1][1500]
    found = course(*texts)
    assert [(change.before, change.after) for change in found.misalignments] == [(0, -1)]
    assert abs(found.misalignments[0].line - 1501) <= NEAR


@pytest.mark.parametrize(
    ("size", "begin", "end"),
    [(504, 100, 300), (1009, 100, 300), (1010, 100, 300), (3000, 1000, 1600)],
)
def test_text_that_does_not_belong_together_is_named(size: int, begin: int, end: int) -> None:
    """Some are sizes at which lines a fixed distance apart would be pairs again, or neighbours."""
    sources, targets = sides(PAIRS[:size])
    part = targets[begin:end]
    random.Random(1).shuffle(part)
    found = course(sources, [*targets[:begin], *part, *targets[end:]])
    assert not found.misalignments
    (stretch,) = found.unrelated
    assert abs(stretch[0] - begin - 1) <= NEAR
    assert abs(stretch[-1] - end) <= NEAR


@pytest.mark.parametrize(
    ("side", "size", "line", "lost"),
    [
        *((0, 3000, 3, 1), (1, 3000, 2900, 1), (0, 3000, 1000, 2), (0, 3000, 1000, 300)),
        (0, 9000, 1000, 4500),
    ],
)
def test_lost_lines_are_named(side: int, size: int, line: int, lost: int) -> None:
    texts = sides(corpus(size))
    del texts[side][line : line + lost]
    (change,) = course(*texts).misalignments
    assert (change.before, change.after) == (0, -lost if side else lost)
    assert abs(change.line - 1 - line) <= NEAR


def test_files_that_slip_from_their_first_line_on_are_related() -> None:
    sources, targets = sides(PAIRS[:400])
    (change,) = course([*sources[-91:], *sources[:-91]], targets).misalignments
    assert (change.before, change.after) == (0, -91)
    assert abs(change.line - 92) <= NEAR


def test_repeated_lines_that_were_not_translated_are_no_slip() -> None:
    """A copy at a distance looks more like a pair than the translation beside a source."""
    folder = shipped("data") / "pocket"
    sources, targets = (
        gzip.decompress((folder / f"train.{code}.gz").read_bytes()).decode().split("\n")[:3000]
        for code in ("en", "de")
    )
    again = sources[:400]
    assert (
        course([*sources, *again, *again], [*targets, *targets[:400], *again]).misalignments == ()
    )


def test_losses_on_both_sides_cancel_out() -> None:
    texts = sides(PAIRS)
    del texts[0][500]
    del texts[1][2000]
    first, second = course(*texts).misalignments
    assert (first.before, first.after, second.before, second.after) == (0, 1, 1, 0)


@pytest.mark.parametrize(
    "order",
    [
        lambda texts: random.Random(1).sample(texts, len(texts)),
        sorted,
        lambda texts: sorted(texts, key=len),
    ],
    ids=["shuffled", "sorted", "sorted-by-length"],
)
def test_files_in_different_orders_do_not_belong_together(
    order: Callable[[list[str]], list[str]],
) -> None:
    sources, targets = sides(PAIRS[:1000])
    whole = Course(unrelated=(range(1, 1001),))
    assert course(sources, order(targets)) == whole
    assert course(order(sources), targets) == whole


def test_equal_lengths_do_not_make_sides_unrelated() -> None:
    texts = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)} " * 10 for n in range(600)]
    with catch_warnings():
        simplefilter("error")
        assert course(texts, [text.upper() for text in reversed(texts)]).unrelated == ()


def test_words_and_empty_sides_do_not_make_sides_unrelated() -> None:
    """In a list of words, lengths say little; in an unfinished text, many targets are empty."""
    words = [(s.split()[0], t.split()[-1]) for s, t in PAIRS[:1000]]
    assert course(*sides(words)) == Course()
    draw = random.Random(1)
    pairs = [(s, t if draw.random() < 0.6 else "") for s, t in PAIRS[:1000]]
    assert course(*sides(pairs)).unrelated == ()


@pytest.mark.parametrize("count", [0, 99, 101, 3000])
def test_aligned_files_of_any_size_do_not_slip(count: int) -> None:
    assert course(*sides(PAIRS[:count])) == Course()
