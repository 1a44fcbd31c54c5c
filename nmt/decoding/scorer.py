"""Score pairs: how probable a model finds a target, given its source."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nmt.config import DecodeSettings
from nmt.decoding.device_settings import check_precision, settings_for
from nmt.decoding.forced import TokenLogProbs, forced_log_probs
from nmt.decoding.hypothesis import length_penalty
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.line_notes import LineNotes
from nmt.decoding.pair_scores import BLANK, PairScore
from nmt.decoding.pairs import TextPair
from nmt.decoding.scheduler import BatchScheduler, decoding_pool
from nmt.decoding.search_method import diverged
from nmt.decoding.segments import target_token, with_token
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, chunks_of
from nmt.decoding.translation import Token
from nmt.errors import NmtError
from nmt.runs.trained_model import TrainedModel
from nmt.system.arguments import check_surrogates
from nmt.system.devices import run_or_halve
from nmt.system.log import Notify
from nmt.system.pools import Pool
from nmt.text.lines import LineNumbers, OnBadLine, stop_at_bad_line
from nmt.text.tokenizer import EOS, UNK


@dataclass(frozen=True)
class EncodedPair:
    """The token ids of a pair, without EOS."""

    source: list[int]
    target: list[int]

    def __len__(self) -> int:
        """Return the length of the longer side."""
        return max(len(self.source), len(self.target))


class Scorer:
    """Scores with one model or an ensemble.

    The weights are packed when it is made, so the networks need not be kept.
    """

    def __init__(
        self,
        model: TrainedModel,
        settings: DecodeSettings,
        notify: Notify,
        *,
        token_scores: bool = False,
        pieces: bool = False,
        pool: Pool | None = None,
    ) -> None:
        """Prepare to score.

        Args:
            model: with the other models of its ensemble.
            settings: `precision`, `batch_tokens` and `length_penalty` matter.
            notify: receives what a user should know, such as that a character is unknown.
            token_scores: keep the log-probability of each token.
            pieces: targets are tokens with spaces between them, not texts.
            pool: scores batches in parallel; by default `decoding_pool`.
        """
        networks = [each.network for each in (model, *model.ensemble)]
        device = networks[0].device
        check_precision(settings, str(device))
        chosen = settings_for(settings, str(device))
        self.settings, self.token_scores, self.pieces = settings, token_scores, pieces
        self._notify = notify
        self._tokenizer = model.tokenizer
        self._token = target_token(settings.target_token, model.tokenizer.source)
        self._batch_tokens = chosen.batch_tokens
        self._is_gpu = device.type == "cuda"
        self._models = [IncrementalDecoder(each, chosen.precision) for each in networks]
        self._positions = min(network.settings.position_limit or math.inf for network in networks)
        self._scheduler = BatchScheduler(
            self._score_batch, chosen.batch_tokens, pool or decoding_pool(str(device))
        )

    def score(self, pairs: Iterable[TextPair]) -> Iterator[PairScore]:
        """Score pairs, in order; errors are those of `chunks`."""
        for chunk in self.chunks(chunks_of(Source(pairs), CHUNK_SEGMENTS)):
            yield from chunk

    def chunks(
        self, chunks: Iterable[Sequence[TextPair]], on_bad: OnBadLine = stop_at_bad_line
    ) -> Iterator[list[PairScore]]:
        """Score chunks of pairs lazily, each as soon as it has arrived.

        At the end, notes tell which lines had unknown characters, carriage returns or more tokens
        than `nmt translate` takes at once. on_bad: receives a pair that is longer than the model
        can read; if it returns, the pair is taken as a blank one.

        Raises UsageError for half of a surrogate pair, NmtError if a model's outputs are not
        numbers.
        """
        first_line, notes = 1, ScoreNotes()
        for chunk in chunks:
            encoded = self._encode(chunk, first_line, notes)
            for index, pair in enumerate(encoded):
                if len(pair) + 1 > self._positions:
                    on_bad(first_line + index, self._too_long(first_line + index, pair))
                    encoded[index] = EncodedPair([], [])
                elif len(pair.source) > self.settings.max_segment_tokens:
                    notes.long.add(first_line + index)
            real = [index for index, pair in enumerate(encoded) if len(pair)]
            log_probs = self._scheduler.map([encoded[index] for index in real])
            scores = [BLANK] * len(chunk)
            for index, each in zip(real, log_probs, strict=True):
                scores[index] = self._pair_score(encoded[index], each)
            yield scores
            first_line += len(chunk)
        notes.tell(self._notify, self.settings.max_segment_tokens)

    def _encode(
        self, pairs: Sequence[TextPair], first_line: int, notes: "ScoreNotes"
    ) -> list[EncodedPair]:
        """Return the ids of pairs, and note what a user should know about their lines."""
        model = self._tokenizer
        source_lines = [
            with_token(" ".join(pair.source.splitlines()), self._token, model.source)
            for pair in pairs
        ]
        target_lines = [" ".join(pair.target.splitlines()) for pair in pairs]
        for line, texts in enumerate(zip(source_lines, target_lines, strict=True), first_line):
            for text in texts:
                check_surrogates(text, f"segment {line}")
        sources = model.source.encode(source_lines)
        if self.pieces:
            targets = [*map(model.target.encode_pieces, target_lines)]
        else:
            targets = model.target.encode(target_lines)
        unknown = model.target.unknown_pieces if self.pieces else model.target.unknown
        note_unknown(sources, source_lines, first_line, notes.sources, model.source.unknown)
        note_unknown(targets, target_lines, first_line, notes.targets, unknown)
        for line, pair in enumerate(pairs, first_line):
            if "\r" in pair.source or "\r" in pair.target:
                notes.returns.add(line)
        return [*map(EncodedPair, sources, targets)]

    def _score_batch(self, pairs: Sequence[EncodedPair]) -> list[TokenLogProbs]:
        return run_or_halve(self._score, pairs) if self._is_gpu else self._score(pairs)

    def _score(self, pairs: Sequence[EncodedPair]) -> list[TokenLogProbs]:
        sources, targets = [pair.source for pair in pairs], [[pair.target] for pair in pairs]
        found = forced_log_probs(self._models, sources, targets, self._batch_tokens)
        if any(math.isnan(each) for (log_probs,) in found for each in log_probs):
            raise diverged(len(self._models))
        return [log_probs for (log_probs,) in found]

    def _pair_score(self, pair: EncodedPair, log_probs: TokenLogProbs) -> PairScore:
        total, length = math.fsum(log_probs), len(log_probs)
        tokens: tuple[Token, ...] = ()
        if self.token_scores:
            pieces = map(self._tokenizer.target.piece, (*pair.target, EOS))
            tokens = tuple(map(Token, pieces, log_probs))
        score = total / length_penalty(length, self.settings.length_penalty)
        return PairScore(total, score, length, tokens)

    def _too_long(self, line: int, pair: EncodedPair) -> NmtError:
        return NmtError(
            f"line {line}: {len(pair):,} tokens and the end do not fit into the {self._positions:,}"
            " positions that the model learned; shorten the segment"
        )


class ScoreNotes:
    """The lines that a user should look at."""

    def __init__(self) -> None:
        self.sources = LineNotes()
        self.targets = LineNotes(
            "characters of targets that are not in the vocabulary, scored as unknown"
        )
        self.returns = LineNumbers()
        self.long = LineNumbers()

    def tell(self, notify: Notify, max_segment_tokens: int) -> None:
        """Print the notes, if there are any."""
        self.sources.tell(notify)
        self.targets.tell(notify)
        if self.returns.count:
            notify(f"carriage returns in {self.returns} count as spaces")
        if self.long.count:
            notify(
                f"scored whole: {self.long}, whose sources have more tokens than"
                f" decode.max_segment_tokens={max_segment_tokens}; `nmt translate` splits them"
            )


def note_unknown(
    ids: Sequence[Sequence[int]],
    texts: Sequence[str],
    first_line: int,
    notes: LineNotes,
    unknown: Callable[[str], list[str]],
) -> None:
    """Note the lines whose ids hold the unknown token, and what of their texts is unknown."""
    for line, (each, text) in enumerate(zip(ids, texts, strict=True), first_line):
        if UNK in each and notes.add_unknown(line, text):
            notes.add_symbols(unknown(text))
