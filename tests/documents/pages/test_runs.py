"""Marks in the text of a segment: the same mark looks the same, another one looks different."""

import random
from itertools import product

from nmt.documents.pages.runs import ShownForms


def test_marks_that_look_alike_get_numbers() -> None:
    forms = ShownForms()
    given = ["<b>", "<b >", "<b  >", "<b>", "<b >#2", "<b\n>", "<b >"]
    shown = ["<b>", "<b >", "<b >#2", "<b>", "<b >#2#2", "<b >#3", "<b >"]
    assert [forms.of(each) for each in given] == shown


def test_no_two_marks_look_the_same() -> None:
    draw = random.Random(3)
    forms = ShownForms()
    marks = ["".join(draw.choices("a #2\t", k=draw.randint(1, 6))) for _ in range(3000)]
    found = {each: forms.of(each) for each in marks}
    assert all(forms.of(each) == form for each, form in found.items())
    assert len(set(found.values())) == len(found)


def test_clients_may_send_many_marks_that_look_alike() -> None:
    """The search for a number takes no longer for the last mark than for the first."""
    forms = ShownForms()
    marks = [f"<b{''.join(blanks)}>" for blanks in product(" \t\n\f\r", repeat=6)]
    shown = [forms.of(each) for each in marks]
    assert shown == ["<b >", *(f"<b >#{number}" for number in range(2, len(marks) + 1))]
