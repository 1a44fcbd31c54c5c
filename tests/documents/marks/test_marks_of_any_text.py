"""Whatever a model writes, no mark is lost, doubled or crossed, unless the sentence is flagged."""

import random
from collections.abc import Sequence

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.placing import cut_spans, place_spans
from nmt.decoding.translator.translation import Candidate, Request, Translation
from nmt.documents.translate import Placer, Way
from tests.decoding.marking import marked
from tests.decoding.test_placing import random_marked


def careless(draw: random.Random) -> Placer:
    """Return a placer for a model that loses, doubles and invents marks, and writes any words."""

    def candidate(request: Request) -> Candidate:
        pieces = ["x", "y.", "5", "", "\u4e16", *marked(request.text).mark_texts()]
        text = " ".join(draw.choices(pieces, k=draw.randrange(6)))
        if not request.marks:
            return Candidate(request.text if draw.random() < 0.2 else text, 0.0, 0.0)
        links = [(draw.randrange(6), draw.randrange(6)) for _ in range(draw.randrange(9))]
        if draw.random() < 0.8:
            text = marked(text).without_marks()
        found = place_spans(cut_spans(Marked(request.text, request.marks)), text, links)
        return Candidate(found.text, 0.0, 0.0, marks=found.marks)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [
            Translation(tuple(candidate(each) for _ in range(draw.randint(1, 3))))
            for each in requests
        ]

    return Placer(translate)


def test_no_mark_is_lost_unless_flagged() -> None:
    draw = random.Random(1)
    ways = set()
    for _ in range(240):
        sources = [random_marked(draw) for _ in range(5)]
        for source, placed in zip(sources, careless(draw).translate(sources), strict=True):
            ways.add(placed.way)
            assert sorted(placed.text.mark_texts()) == sorted(source.mark_texts())
            if placed.way is Way.FLAGGED:
                assert placed.flags
                continue
            assert placed.text == marked(placed.text.text)
            assert len(placed.text.partners()) == len(source.partners())
    assert ways == {*Way}
