"""Terms take the place of the words that stand for them; what must stay, stays.

A fake model aligns words by a dictionary, and prefers the texts that a test names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from nmt.config import DecodeSettings, TokenizerSettings
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.prefix import TargetPrefix
from nmt.decoding.terms.glossary import Term, TermOccurrence, split_words
from nmt.decoding.terms.placement import TermPlacer
from nmt.decoding.translator.segments import SubSegment
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import SubwordModel

SOURCE = "the old woman reads a letter ."
WORDS = SOURCE.split()
ALIGNED = {
    **{"die": "the", "alte": "old", "frau": "woman", "dame": "woman", "liest": "reads"},
    **{
        "einen": "letter",
        "eine": "a",
        "brief": "letter",
        "postkarte": "letter",
        "greisin": "woman",
    },
    **{"brieflein": "letter", ".": "."},
}
PLAIN = "Die alte Frau liest einen Brief."


@pytest.fixture(scope="module")
def target() -> SubwordModel:
    text = "Die alte Frau liest einen Brief, Postkarte Greisin Dame gern. Eine \u00df"
    return learn_subwords([text, text.lower()], TokenizerSettings(kind="char", vocab_size=200))


@dataclass
class Fake:
    """A model that knows words and likes some texts, and finds the rests that a test names."""

    target: SubwordModel
    liked: Sequence[str] = ()
    rests: dict[str, str] = field(default_factory=dict)  # by the text before
    searched: list[str] = field(default_factory=list)

    def align(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        return [self.aligned(self.target.decode(ids), len(ids)) for ids in outputs]

    def aligned(self, text: str, count: int) -> list[int]:
        """Return the source word of each token: a character with its space before the text."""
        found = [0] * (1 + len(text))
        for word in split_words(text):
            source = WORDS.index(ALIGNED.get(word.text.lower(), "."))
            found[word.start + 1 : word.end + 1] = [source] * (word.end - word.start)
        return found[:count]

    def forced(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[tuple[float, ...]]]:
        return [[self.log_probs(ids) for ids in own] for own in outputs]

    def log_probs(self, ids: Sequence[int]) -> tuple[float, ...]:
        log_prob = -0.1 if self.target.decode(ids) in (PLAIN, *self.liked) else -1.0
        return (log_prob,) * (len(ids) + 1)

    def find(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> list[list[Hypothesis]]:
        found = []
        for part in parts:
            before = self.target.decode(part.prefix.ids)
            self.searched.append(before)
            found.append([self.hypothesis(self.rests.get(before, before))])
        return found

    def hypothesis(self, text: str) -> Hypothesis:
        (ids,) = self.target.encode([text])
        total = sum(self.log_probs(ids))
        return Hypothesis((*ids,), total, total)


Place = Callable[..., str]


@pytest.fixture
def place(target: SubwordModel) -> Place:
    def place(
        model: Fake, terms: dict[str, str], text: str = PLAIN, prefix: str = "", max_length: int = 0
    ) -> str:
        occurrences = []
        for source, targets in terms.items():
            first = WORDS.index(source.split()[0])
            words = [
                range(first + number, first + number + 1) for number in range(len(source.split()))
            ]
            occurrences.append(TermOccurrence(Term(source, (*targets.split("|"),)), (*words,)))
        target_prefix = TargetPrefix.of_tokens((*target.encode([prefix])[0],))
        part = SubSegment(
            [*range(len(text))], target_prefix, (*occurrences,)
        )  # long enough for the output
        chosen = DecodeSettings(length_penalty=0.0, max_length=max_length)
        placer = TermPlacer(model, target, chosen)
        ((found,),) = placer.place([part], [[model.hypothesis(text)]])
        return target.decode(found.ids)

    return place


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"letter": "Brief"}, PLAIN),  # it is there
        # The article is aligned to the noun, and stays; so does the full stop.
        ({"letter": "Postkarte"}, "Die alte Frau liest einen Postkarte."),
        ({"letter": "Postkarte", "woman": "Dame"}, "Die alte Dame liest einen Postkarte."),
        ({"old woman": "Greisin"}, "Die Greisin liest einen Brief."),
        ({"the": "eine"}, "Eine alte Frau liest einen Brief."),  # with the capital letter
        # No word is aligned to "a", and others are aligned to what "einen" is aligned to.
        ({"a": "gern"}, "Die alte Frau liest gern Brief."),
        ({"woman": "Greisin|Dame"}, "Die alte Dame liest einen Brief."),  # the better one
    ],
)
def test_a_term_takes_the_place_of_the_words(
    target: SubwordModel, place: Place, terms: dict[str, str], expected: str
) -> None:
    liked = [expected, "Die alte Dame liest einen Brief."]
    assert place(Fake(target, liked), terms) == expected


def test_a_rest_that_has_become_improbable_is_searched_again(
    target: SubwordModel, place: Place
) -> None:
    begun, better = "Die alte Dame", "Die alte Dame liest gern einen Brief."
    model = Fake(target, [better], {begun: better})
    assert place(model, {"woman": "Dame"}) == better
    assert model.searched == [begun]
    exchanged = "Die alte Dame liest einen Brief."
    model = Fake(target, [better, exchanged], {begun: better})
    assert place(model, {"woman": "Dame"}) == exchanged  # its rest is as probable as before
    assert not model.searched
    shorter = "Die alte Dame liest gern."  # of what was translated before, the letter is lost
    model = Fake(target, [shorter], {begun: shorter})
    assert place(model, {"woman": "Dame"}) == exchanged
    assert model.searched == [begun]


@pytest.mark.parametrize(
    "rest",
    [
        "Die alte Dame Frau liest einen Brief.",  # the old word is kept
        "Die alte Dame liest Greisin einen Brief.",  # another word is aligned to the source
        "Die alte Dame liest.",  # a term that was there is lost
    ],
)
def test_a_rest_that_translates_twice_or_loses_a_term_is_refused(
    target: SubwordModel, place: Place, rest: str
) -> None:
    model = Fake(target, [rest], {"Die alte Dame": rest})
    found = place(model, {"woman": "Dame", "letter": "Brief"})
    assert model.searched == ["Die alte Dame"]
    assert found == "Die alte Dame liest einen Brief."


def test_what_has_no_room_or_would_change_a_prefix_stays(
    target: SubwordModel, place: Place
) -> None:
    terms = {"letter": "Postkarte"}
    assert place(Fake(target), terms, max_length=len(PLAIN) + 1) == PLAIN
    found = place(Fake(target), {"woman": "Dame"}, prefix="Die alte Frau liest")
    assert found.startswith("Die alte Frau liest")
    assert "Dame" in found
