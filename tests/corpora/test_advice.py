"""Words for figures and times."""

import pytest

from nmt.corpora.advice import duration, figure


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "about 1 minute"),
        (150, "about 2 minutes"),
        (3_599, "about 60 minutes"),
        (5_400, "about 1.5 hours"),
        (100_000, "about 27.8 hours"),
        (200_000, "about 2.3 days"),
    ],
)
def test_times_have_the_unit_that_suits_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "text"), [(0.01234, "0.012"), (9.87, "9.9"), (10, "10"), (1_234.5, "1,234")]
)
def test_figures_have_two_digits_or_more(number: float, text: str) -> None:
    assert figure(number) == text
