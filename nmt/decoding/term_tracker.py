"""Follow terms token by token: an automaton of Aho and Corasick (1975) for each sentence.

A node stands for the longest end of an output that begins one of the terms' forms. A failed attempt
thereby falls back to the longest attempt that is still possible, and no occurrence is missed.

Dimensions: B sentences, K hypotheses for each sentence, T terms of a sentence, N nodes of all
sentences, C columns: classes of tokens, A tokens that bring a hypothesis nearer to a term.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.decoding.terms import Ids, Term, goes_on
from nmt.text.tokenizer import SubwordModel


@dataclass(frozen=True)
class WordEdges:
    """Booleans for each of V tokens: a word begins or ends there."""

    ends: Tensor  # (V,) bool: the token does not continue the word before it; EOS does not
    opens: Tensor  # (V,) bool: a word may begin after the token without a space

    @classmethod
    def of(cls, subwords: SubwordModel, size: int, device: torch.device) -> "WordEdges":
        """Return the edges of a subword model's tokens; size: V, at least its vocabulary's."""
        pieces = [*map(subwords.piece, range(len(subwords)))] + (size - len(subwords)) * ["x"]
        # Letters stand for bytes, whose characters may be parts of words.
        pieces = ["x" if subwords.is_byte(piece) else piece for piece in pieces]
        return cls(
            torch.tensor([not goes_on(piece[0]) for piece in pieces], device=device),
            torch.tensor([not goes_on(piece[-1]) for piece in pieces], device=device),
        )


@dataclass
class Node:
    """A node of the automaton of one sentence."""

    children: dict[int, int] = field(default_factory=dict)  # by token
    terms: set[int] = field(default_factory=set)  # whose forms go on through this node
    complete: set[int] = field(default_factory=set)  # whose forms end here
    credit: dict[int, int] = field(default_factory=dict)  # tokens that are done, by term
    ahead: dict[int, set[int]] = field(default_factory=dict)  # terms that a token brings nearer


@dataclass(frozen=True)
class Progress:
    """How far hypotheses have come with the terms of their sentences."""

    nodes: Tensor  # (..., ) node of each hypothesis
    met: Tensor  # (..., T) bool: the output has the term

    def select(self, rows: Tensor, order: Tensor) -> "Progress":
        """Return the hypotheses order (B', K) of the sentences rows (B',)."""
        places = order[:, :, None].expand(-1, -1, self.met.shape[2])
        return Progress(self.nodes[rows].gather(1, order), self.met[rows].gather(1, places))


@dataclass(frozen=True)
class TermTracker:
    """The automata of a batch, as tables."""

    first: Progress  # (B, 1) before the first token
    lengths: Tensor  # (B, T) tokens of each term's longest alternative; 0: there is no such term
    columns: Tensor  # (V,) column of each token
    table: Tensor  # (N, C) next node
    complete: Tensor  # (N, T) bool: a term has ended, unless the next token continues its last word
    credit: Tensor  # (N, T) tokens of a term that are done
    ahead: Tensor  # (N, A) tokens, padded with 0
    ahead_terms: Tensor  # (N, A, T) bool: the terms that each of them brings nearer
    ends_word: Tensor  # (V,) bool: `WordEdges.ends`

    @classmethod
    def of(cls, terms: Sequence[Sequence[Term]], edges: WordEdges) -> "TermTracker":
        """Return the tracker for the terms of each sentence of the source batch."""
        builder = Builder(terms, edges)
        device = edges.ends.device
        T = max([1, *map(len, terms)])
        lengths = torch.zeros(len(terms), T, dtype=torch.long)
        starts = []
        for row, each in enumerate(terms):
            starts.append(builder.add(each))
            for term, length in enumerate(map(longest, each)):
                lengths[row, term] = length
        nodes = builder.nodes
        N, A = len(nodes), max([1, *(len(node.ahead) for node in nodes)])
        complete = torch.zeros(N, T, dtype=torch.bool)
        credit = torch.zeros(N, T, dtype=torch.long)
        ahead = torch.zeros(N, A, dtype=torch.long)
        ahead_terms = torch.zeros(N, A, T, dtype=torch.bool)
        for index, node in enumerate(nodes):
            complete[index, [*node.complete]] = True
            for term, tokens in node.credit.items():
                credit[index, term] = tokens
            for place, (token, brought) in enumerate(node.ahead.items()):
                ahead[index, place] = token
                ahead_terms[index, place, [*brought]] = True
        first = Progress(torch.tensor(starts, device=device)[:, None], (lengths == 0).to(device))
        return cls(
            Progress(first.nodes, first.met[:, None]),
            lengths.to(device),
            torch.from_numpy(builder.columns).to(device),
            torch.from_numpy(numpy.stack(builder.rows)).to(device),
            complete.to(device),
            credit.to(device),
            ahead.to(device),
            ahead_terms.to(device),
            edges.ends,
        )

    def advance(self, progress: Progress, tokens: Tensor) -> Progress:
        """Return the progress after one token more; tokens has the shape of the nodes."""
        met = progress.met | (self.complete[progress.nodes] & self.ends_word[tokens][..., None])
        return Progress(self.table[progress.nodes, self.columns[tokens]], met)

    def is_complete(self, progress: Progress) -> Tensor:
        """Return which hypotheses have all terms if they end now."""
        return (progress.met | self.complete[progress.nodes]).all(-1)

    def tokens_done(self, progress: Progress, sentences: Tensor) -> Tensor:
        """Return how many tokens of their terms hypotheses (B, n) have.

        Of terms that are begun, the one that is nearest to its end counts. sentences (B,): index of
        each row's sentence in the source batch.
        """
        met = (progress.met * self.lengths[sentences][:, None]).sum(-1)
        return met + (self.credit[progress.nodes] * ~progress.met).amax(-1)


class Builder:
    """Builds the automata of a batch, one after another."""

    def __init__(self, terms: Sequence[Sequence[Term]], edges: WordEdges) -> None:
        # Tokens that are in no form have one of two columns: 1 if a word may begin after them.
        self.columns: NDArray[numpy.int64] = edges.opens.cpu().numpy().astype(numpy.int64)
        forms = (form for each in terms for term in each for form in all_forms(term))
        tokens = sorted({token for form in forms for token in form})
        # Of each column, whether a word may begin after its tokens.
        self.opens = numpy.array([False, True, *self.columns[tokens].astype(bool)])
        self.columns[tokens] = numpy.arange(2, 2 + len(tokens))
        self.nodes: list[Node] = []
        self.rows: list[NDArray[numpy.int64]] = []

    def add(self, terms: Sequence[Term]) -> int:
        """Add the automaton of a sentence; return its first node.

        It has three roots: after a token that may not open a word, after one that may, and before
        the first token.
        """
        closed = len(self.nodes)
        opened, start = closed + 1, closed + 2
        self.nodes += [Node(), Node(), Node()]
        for index, term in enumerate(terms):
            for root, forms in (
                (closed, term.anywhere),
                (opened, term.anywhere + term.after_mark),
                (start, term.anywhere + term.at_start),
            ):
                for form in forms:
                    self._insert(root, form, index, longest(term))
        self._connect(closed, numpy.where(self.opens, opened, closed))
        return start

    def _insert(self, root: int, form: Ids, term: int, length: int) -> None:
        node = self.nodes[root]
        for done, token in enumerate(form, start=1):
            if token not in node.children:
                node.children[token] = len(self.nodes)
                self.nodes.append(Node())
            node.ahead.setdefault(token, set()).add(term)
            node = self.nodes[node.children[token]]
            # Alternatives differ in length: what counts is how many tokens are still missing.
            credit = length - (len(form) - done)
            node.credit[term] = max(credit, node.credit.get(term, 0))
        node.complete.add(term)

    def _connect(self, first: int, fallen: NDArray[numpy.int64]) -> None:
        """Fill the table for the nodes from `first` on, the shallow ones first.

        fallen: the root to which a token of each column leads if it continues nothing.
        """
        fails: dict[int, int] = {}
        rows: dict[int, NDArray[numpy.int64]] = {}
        queue = [first, first + 1, first + 2]
        for index in queue:
            node = self.nodes[index]
            if index in fails:
                row = rows[fails[index]].copy()
                self._inherit(node, self.nodes[fails[index]])
            else:
                row = fallen.copy()
            for token, child in node.children.items():
                column = self.columns[token]
                fails[child] = int(row[column])
                row[column] = child
                queue.append(child)
            rows[index] = row
        self.rows += [rows[index] for index in range(first, len(self.nodes))]

    def _inherit(self, node: Node, fail: Node) -> None:
        """Add to a node what holds for the node to which it falls back."""
        node.complete |= fail.complete
        for term, credit in fail.credit.items():
            node.credit[term] = max(credit, node.credit.get(term, 0))
        for token, terms in fail.ahead.items():
            node.ahead[token] = node.ahead.get(token, set()) | terms


def all_forms(term: Term) -> tuple[Ids, ...]:
    """Return all forms of a term."""
    return term.anywhere + term.after_mark + term.at_start


def longest(term: Term) -> int:
    """Return the number of tokens of a term's longest form."""
    return max(map(len, all_forms(term)))
