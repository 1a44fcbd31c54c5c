"""Follow terms token by token: an automaton of Aho and Corasick (1975) for each sentence.

A node stands for the longest end of an output that begins one of the terms' forms. A failed attempt
thereby falls back to the longest attempt that is still possible, and no occurrence is missed.

Dimensions: B sentences, K hypotheses for each sentence, T terms of a sentence, N nodes of all
sentences, C columns: classes of tokens, A tokens that bring a hypothesis nearer to a term.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy

from nmt.decoding.terms import Ids, Term, goes_on
from nmt.kernels.rule import BoolArray, IdArray
from nmt.text.tokenizer import SubwordModel


@dataclass(frozen=True)
class WordEdges:
    """Booleans for each of V tokens: a word begins or ends there."""

    ends: BoolArray  # (V,): the token does not continue the word before it; EOS does not
    opens: BoolArray  # (V,): a word may begin after the token without a space

    @classmethod
    def of(cls, subwords: SubwordModel, size: int) -> "WordEdges":
        """Return the edges of a subword model's tokens; size: V, at least its vocabulary's."""
        pieces = [*map(subwords.piece, range(len(subwords)))] + (size - len(subwords)) * ["x"]
        # Letters stand for bytes, whose characters may be parts of words.
        pieces = ["x" if subwords.is_byte(piece) else piece for piece in pieces]
        return cls(
            numpy.array([not goes_on(piece[0]) for piece in pieces]),
            numpy.array([not goes_on(piece[-1]) for piece in pieces]),
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

    nodes: IdArray  # (..., ) node of each hypothesis
    met: BoolArray  # (..., T): the output has the term

    def select(self, rows: IdArray, order: IdArray) -> "Progress":
        """Return the hypotheses order (B', K) of the sentences rows (B',)."""
        return Progress(self.nodes[rows[:, None], order], self.met[rows[:, None], order])


@dataclass(frozen=True)
class TermTracker:
    """The automata of a batch, as tables."""

    first: Progress  # (B, 1) before the first token
    lengths: IdArray  # (B, T) tokens of each term's longest alternative; 0: there is no such term
    columns: IdArray  # (V,) column of each token
    table: IdArray  # (N, C) next node
    complete: BoolArray  # (N, T): a term has ended, unless the next token continues its last word
    credit: IdArray  # (N, T) tokens of a term that are done
    ahead: IdArray  # (N, A) tokens, padded with 0
    ahead_terms: BoolArray  # (N, A, T): the terms that each of them brings nearer
    ends_word: BoolArray  # (V,): `WordEdges.ends`

    @classmethod
    def of(cls, terms: Sequence[Sequence[Term]], edges: WordEdges) -> "TermTracker":
        """Return the tracker for the terms of each sentence of the source batch."""
        builder = Builder(terms, edges)
        T = max([1, *map(len, terms)])
        lengths = numpy.zeros((len(terms), T), numpy.int64)
        starts = []
        for row, each in enumerate(terms):
            starts.append(builder.add(each))
            for term, length in enumerate(map(longest, each)):
                lengths[row, term] = length
        nodes = builder.nodes
        N, A = len(nodes), max([1, *(len(node.ahead) for node in nodes)])
        complete = numpy.zeros((N, T), numpy.bool_)
        credit = numpy.zeros((N, T), numpy.int64)
        ahead = numpy.zeros((N, A), numpy.int64)
        ahead_terms = numpy.zeros((N, A, T), numpy.bool_)
        for index, node in enumerate(nodes):
            complete[index, [*node.complete]] = True
            for term, tokens in node.credit.items():
                credit[index, term] = tokens
            for place, (token, brought) in enumerate(node.ahead.items()):
                ahead[index, place] = token
                ahead_terms[index, place, [*brought]] = True
        return cls(
            Progress(numpy.array(starts)[:, None], (lengths == 0)[:, None]),
            lengths,
            builder.columns,
            numpy.stack(builder.rows),
            complete,
            credit,
            ahead,
            ahead_terms,
            edges.ends,
        )

    def advance(self, progress: Progress, tokens: IdArray) -> Progress:
        """Return the progress after one token more; tokens has the shape of the nodes."""
        met = progress.met | (self.complete[progress.nodes] & self.ends_word[tokens][..., None])
        return Progress(self.table[progress.nodes, self.columns[tokens]], met)

    def is_complete(self, progress: Progress) -> BoolArray:
        """Return which hypotheses have all terms if they end now."""
        is_met: BoolArray = progress.met | self.complete[progress.nodes]
        every: BoolArray = numpy.logical_and.reduce(is_met, axis=-1)
        return every

    def tokens_done(self, progress: Progress, sentences: IdArray) -> IdArray:
        """Return how many tokens of their terms hypotheses (B, n) have.

        Of terms that are begun, the one that is nearest to its end counts. sentences (B,): index of
        each row's sentence in the source batch.
        """
        met: IdArray = (progress.met * self.lengths[sentences][:, None]).sum(-1)
        begun: IdArray = (self.credit[progress.nodes] * ~progress.met).max(-1)
        return met + begun


class Builder:
    """Builds the automata of a batch, one after another."""

    def __init__(self, terms: Sequence[Sequence[Term]], edges: WordEdges) -> None:
        # Tokens that are in no form have one of two columns: 1 if a word may begin after them.
        self.columns: IdArray = edges.opens.astype(numpy.int64)
        forms = (form for each in terms for term in each for form in all_forms(term))
        tokens = sorted({token for form in forms for token in form})
        # Of each column, whether a word may begin after its tokens.
        self.opens = numpy.array([False, True, *self.columns[tokens].astype(bool)])
        self.columns[tokens] = numpy.arange(2, 2 + len(tokens))
        self.nodes: list[Node] = []
        self.rows: list[IdArray] = []

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

    def _connect(self, first: int, fallen: IdArray) -> None:
        """Fill the table for the nodes from `first` on, the shallow ones first.

        fallen: the root to which a token of each column leads if it continues nothing.
        """
        fails: dict[int, int] = {}
        rows: dict[int, IdArray] = {}
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
