"""Requests to a translator, and translations, assembled from the hypotheses of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import NamedTuple

from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.marked import Mark
from nmt.text.subwords.tokenizer import EOS, SubwordModel


@dataclass(frozen=True)
class Request:
    """A segment to translate, and what is asked of its translation."""

    text: str
    # The translation begins with it. Its last word may go on, unless a space follows it.
    prefix: str = ""
    marks: tuple[Mark, ...] = ()  # of the text; each candidate has them too, at their positions
    language: str = ""  # to write; "": that of `decode.target_language`

    def __len__(self) -> int:
        """Return the length in characters."""
        return len(self.text)


def strip_prefix(prefix: str) -> str:
    """Return a prefix without space around it, but one space at its end, which ends a word."""
    stripped = prefix.strip()
    return f"{stripped} " if stripped and prefix[-1].isspace() else stripped


@dataclass(frozen=True)
class OutputOptions:
    """The parts that a translation should have besides its best text."""

    n_best: int = 1  # candidates, at most the beam size
    token_scores: bool = False  # the log-probability of each token
    alignments: bool = False  # links of the best candidate's words with those of the source


class Token(NamedTuple):
    """A token of a translation."""

    piece: str  # as SentencePiece writes it: U+2581 for a space, </s> for the end
    log_prob: float  # natural logarithm of its probability after the tokens before it


Link = tuple[int, int]  # the numbers of a source word and of a word of its translation, from 0


@dataclass(frozen=True)
class Candidate:
    """One translation of a segment.

    If the segment was split, the numbers are summed over its parts, but the utility is their mean,
    and the tokens are those of its parts, each with its end.
    """

    text: str
    score: float  # log_prob over the length penalty; higher is better
    log_prob: float  # natural logarithm of the model's probability
    length: int = 0  # number of tokens, the end counted
    tokens: tuple[Token, ...] = ()  # if their scores are wanted
    # What `decode.mbr` chooses by: the mean score, from 0 to 100, with the candidates as references
    utility: float | None = None
    marks: tuple[Mark, ...] = ()  # of the text, if the segment has some
    # What the model read, if the segment was changed before; blank: nothing
    read: str | None = None
    written: str | None = None  # what the model wrote, if the text was changed after; not for marks


@dataclass(frozen=True)
class Translation:
    """The translations of a segment, best first; at least one."""

    candidates: tuple[Candidate, ...]
    links: tuple[Link, ...] = ()  # of the best one's words with the source's, if they are wanted

    @property
    def text(self) -> str:
        """Return the text of the best translation."""
        return self.candidates[0].text


BLANK = Translation((Candidate("", 0.0, 0.0),))


def assemble(
    parts: Sequence[Sequence[Hypothesis]],
    subwords: SubwordModel,
    separators: Sequence[str] | None = None,
) -> Translation:
    """Join the hypotheses of a segment's parts: the best of each, then the second best of each.

    The translation has as many candidates as the part with the fewest. A segment without parts is
    blank.

    Args:
        parts: for each part its hypotheses, best first.
        subwords: those of the target language.
        separators: the texts before, between and after the parts; by default spaces between them.
    """
    if not parts:
        return BLANK
    ranks = zip(*parts, strict=False)
    return Translation(tuple(join(hypotheses, subwords, separators) for hypotheses in ranks))


def join(
    hypotheses: Sequence[Hypothesis], subwords: SubwordModel, separators: Sequence[str] | None
) -> Candidate:
    """Return a candidate made of one hypothesis for each part; separators are as in `assemble`."""
    texts = [subwords.decode(hypothesis.ids) for hypothesis in hypotheses]
    if separators is None:
        text = " ".join(text for text in texts if text)
    else:
        text = "".join(chain.from_iterable(zip_longest(separators, texts, fillvalue="")))
    utilities = [hypothesis.utility for hypothesis in hypotheses if hypothesis.utility is not None]
    return Candidate(
        text,
        sum(hypothesis.score for hypothesis in hypotheses),
        sum(hypothesis.log_prob for hypothesis in hypotheses),
        sum(len(hypothesis.ids) + 1 for hypothesis in hypotheses),
        tuple(
            token
            for hypothesis in hypotheses
            for token in list_tokens(hypothesis.ids, hypothesis.token_log_probs, subwords)
        ),
        sum(utilities) / len(utilities) if utilities else None,
    )


def list_tokens(
    ids: Sequence[int], log_probs: Sequence[float], subwords: SubwordModel
) -> tuple[Token, ...]:
    """Return the tokens of an output and EOS; none if their log-probabilities are not known."""
    return tuple(map(Token, map(subwords.piece, (*ids, EOS)), log_probs)) if log_probs else ()
