"""Score pairs: how probable a model finds a target, given its source.

Pairs come from texts, two files, or columns of one; scores are written as tab-separated values or
JSON.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config import DecodeSettings
from nmt.decoding.files.text_files import BadLines, is_on_screen, open_output, open_source
from nmt.decoding.search.hypothesis import length_penalty
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, split_chunks
from nmt.decoding.translator.context import Before, choose_context
from nmt.decoding.translator.load import check_precision, device_settings
from nmt.decoding.translator.searcher import BatchScheduler, decoding_pool, diverged
from nmt.decoding.translator.segments import (
    RETURNS_AS_SPACES,
    SCORED_AS_UNKNOWN,
    LineNotes,
    SegmentLimit,
    opening_ids,
)
from nmt.decoding.translator.translation import Token, list_tokens
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output, check_uncompressed
from nmt.runs.trained_model import TrainedModel
from nmt.system.arguments import check_surrogates
from nmt.system.devices import run_or_halve
from nmt.system.log import Notify, note, progress_bar
from nmt.text.reading.corpus import align_columns
from nmt.text.reading.lines import OnBadLine, check_texts, show_name, stop_at_bad_line
from nmt.text.subwords.tokenizer import UNK

if TYPE_CHECKING:  # arguments and files are checked without PyTorch
    from nmt.decoding.models.forced import TokenLogProbs

FIRST_TWO = (1, 2)  # the columns of source and target


@dataclass(frozen=True)
class TextPair:
    """A source segment and a target segment."""

    source: str
    target: str

    def __len__(self) -> int:
        """Return the number of characters."""
        return len(self.source) + len(self.target)


@dataclass(frozen=True)
class PairScore:
    """How probable a model finds the target of a pair, given its source. A blank pair has 0."""

    log_prob: float  # natural logarithm of the model's probability, the end counted
    score: float  # log_prob over the length penalty, as that of a translation
    length: int  # number of target tokens, the end counted
    tokens: tuple[Token, ...] = ()  # if they are wanted

    @property
    def mean_log_prob(self) -> float:
        """Return the log-probability of a token on average."""
        return self.log_prob / self.length if self.length else 0.0


# {{}} stands for the lines, {} for the setting.
LONG = (
    "scored whole: {{}}, whose sources have more tokens than decode.max_segment_tokens={};"
    " `nmt translate` splits them"
)
BLANK_PAIR = TextPair("", "")
BLANK_SCORE = PairScore(0.0, 0.0, 0)
FormatLine = Callable[[PairScore | None], str]  # None: a pair that could not be read


@dataclass(frozen=True)
class EncodedPair:
    """The token ids of a pair, without EOS."""

    source: list[int]
    target: list[int]
    context: int = 0  # how many of the first target ids are the targets before: not scored

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
    ) -> None:
        """Prepare to score.

        Args:
            model: with the other models of its ensemble.
            settings: `precision`, `batch_tokens` and `length_penalty` matter.
            notify: receives what a user should know, such as that a character is unknown.
            token_scores: keep the log-probability of each token.
            pieces: targets are tokens with spaces between them, not texts.
        """
        from nmt.decoding.models.pytorch import make_decoder

        check_precision(settings, model.device)
        networks = [member.network_for(settings.precision) for member in model.members]
        device = networks[0].device
        chosen = device_settings(settings, str(device))
        self.settings, self.token_scores, self.pieces = settings, token_scores, pieces
        self._notify = notify
        self._tokenizer = model.tokenizer
        _, own = model.recipe.data.known_directions[0]
        self._opening = opening_ids(settings.target_language, model.tokenizer.source, own)
        # None: each pair is scored alone.
        limit = SegmentLimit(settings.max_segment_tokens, "decode.max_segment_tokens")
        self.context = choose_context(model, limit, notify)
        self._batch_tokens = chosen.batch_tokens
        self._models = [make_decoder(network, chosen.precision) for network in networks]
        self._positions = min(network.settings.position_limit or math.inf for network in networks)
        score = partial(run_or_halve, self._score) if device.type == "cuda" else self._score
        self._scheduler = BatchScheduler(score, chosen.batch_tokens, decoding_pool(str(device)))

    def score(
        self, pairs: Iterable[TextPair], on_bad: OnBadLine = stop_at_bad_line
    ) -> Iterator[PairScore]:
        """Score pairs, in order; on_bad and errors are those of `chunks`."""
        for chunk in self.chunks(split_chunks(Source(pairs), CHUNK_SEGMENTS), on_bad):
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
        first_line, notes, before = 1, LineNotes(), Before()
        for chunk in chunks:
            encoded = self._encode(chunk, first_line, notes)
            encoded = self._in_context(chunk, encoded, before, notes, first_line)
            for index, pair in enumerate(encoded):
                if len(pair) + 1 > self._positions:
                    on_bad(first_line + index, self._too_long(first_line + index, pair))
                    encoded[index] = EncodedPair([], [])
                elif len(pair.source) > self.settings.max_segment_tokens:
                    notes.add(LONG.format(self.settings.max_segment_tokens), first_line + index)
            real = [index for index, pair in enumerate(encoded) if len(pair)]
            log_probs = self._scheduler.map([encoded[index] for index in real])
            scores = [BLANK_SCORE] * len(chunk)
            for index, own in zip(real, log_probs, strict=True):
                scores[index] = self._pair_score(encoded[index], own)
            yield scores
            first_line += len(chunk)
        notes.tell(self._notify)

    def _encode(
        self, pairs: Sequence[TextPair], first_line: int, notes: LineNotes
    ) -> list[EncodedPair]:
        """Return the ids of pairs, and note what a user should know about their lines."""
        model = self._tokenizer
        source_lines = [" ".join(pair.source.splitlines()) for pair in pairs]
        target_lines = [" ".join(pair.target.splitlines()) for pair in pairs]
        for line, texts in enumerate(zip(source_lines, target_lines, strict=True), first_line):
            for text in texts:
                check_surrogates(text, f"segment {line}")
        encoded = model.source.encode(source_lines)
        sources = [[*self._opening, *ids] if ids else ids for ids in encoded]
        if self.pieces:
            targets = [*map(model.target.encode_pieces, target_lines)]
        else:
            targets = model.target.encode(target_lines)
        unknown = model.target.unknown_pieces if self.pieces else model.target.unknown
        for index, pair in enumerate(pairs):
            line = first_line + index
            if UNK in sources[index]:
                notes.add_unknown(line, source_lines[index], model.source.unknown)
            if UNK in targets[index]:
                notes.add_unknown(line, target_lines[index], unknown, SCORED_AS_UNKNOWN)
            if "\r" in pair.source or "\r" in pair.target:
                notes.add(RETURNS_AS_SPACES, line)
        return [*map(EncodedPair, sources, targets)]

    def _in_context(
        self,
        chunk: Sequence[TextPair],
        pairs: list[EncodedPair],
        before: Before,
        notes: LineNotes,
        first_line: int,
    ) -> list[EncodedPair]:
        """Return pairs after those before them of their documents; see `Context.search`."""
        if self.context is None:
            return pairs
        from nmt.text.encode import document_numbers  # few scores need it

        found, document = [], 0
        texts = [pair.source for pair in chunk], [pair.target for pair in chunk]
        numbers = document_numbers(*texts)
        for line, (number, pair) in enumerate(zip(numbers, pairs, strict=True), first_line):
            if number > document:
                before.clear()
            document, own = number, pair.source[len(self._opening) :]
            lengths = len(pair.source), len(pair.target)
            source, target = self.context.fit(before, (), lengths, notes, line)
            if len(pair):
                self.context.add(before, (), own, pair.target)
            ids = [*self._opening, *source, *own], [*target, *pair.target]
            found.append(EncodedPair(*ids, len(target)) if len(pair) else pair)
        return found

    def _score(self, pairs: Sequence[EncodedPair]) -> "list[TokenLogProbs]":
        from nmt.decoding.models.forced import forced_log_probs

        sources, targets = [pair.source for pair in pairs], [[pair.target] for pair in pairs]
        found = forced_log_probs(self._models, sources, targets, self._batch_tokens)
        if any(math.isnan(number) for (log_probs,) in found for number in log_probs):
            raise diverged(len(self._models))
        return [log_probs for (log_probs,) in found]

    def _pair_score(self, pair: EncodedPair, log_probs: "TokenLogProbs") -> PairScore:
        log_probs = log_probs[pair.context :]
        total, length = math.fsum(log_probs), len(log_probs)
        known = log_probs if self.token_scores else ()
        tokens = list_tokens(pair.target[pair.context :], known, self._tokenizer.target)
        score = total / length_penalty(length, self.settings.length_penalty)
        return PairScore(total, score, length, tokens)

    def _too_long(self, line: int, pair: EncodedPair) -> NmtError:
        return NmtError(
            f"line {line}: {len(pair):,} tokens and the end do not fit into the {self._positions:,}"
            " positions that the model learned; shorten the segment"
        )


def tsv_line(score: PairScore | None) -> str:
    """Return log_prob, mean_log_prob, score and length with tabs between them."""
    if score is None:
        return ""
    numbers = score.log_prob, score.mean_log_prob, score.score
    return "\t".join([*(f"{number:.6f}" for number in numbers), str(score.length)])


def json_line(score: PairScore | None, *, with_tokens: bool = False) -> str:
    """Return a JSON object: {"log_prob", "mean_log_prob", "score", "length"}.

    with_tokens: add "tokens": [{"piece", "log_prob"}].
    """
    if score is None:
        return "null"
    found: dict[str, Any] = {
        "log_prob": score.log_prob,
        "mean_log_prob": score.mean_log_prob,
        "score": score.score,
        "length": score.length,
    }
    if with_tokens:
        found["tokens"] = [token._asdict() for token in score.tokens]
    return json.dumps(found, ensure_ascii=False)


def choose_line(name: str | None, *, tokens: bool) -> FormatLine:
    """Return the format with a name; by default JSON if tokens are wanted, else TSV.

    Raises UsageError if the format cannot hold them.
    """
    if name == "tsv" and tokens:
        raise UsageError("--output-format tsv cannot hold --tokens; use --output-format json")
    if name == "json" or tokens:
        return partial(json_line, with_tokens=tokens)
    return tsv_line


def check_pairs(
    source: Path, target: Path | None, columns: tuple[int, int] | None, output: Path | None
) -> None:
    """Raise NmtError if a file cannot be read, UsageError for arguments that contradict each other.

    output: a file that must be allowed to be written, or None for stdout.
    """
    if target is not None and columns is not None:
        raise UsageError("--columns is for one file with columns; name one file, or leave it out")
    paths = [path for path in (source, target) if path is not None]
    check_texts(paths)
    if output is not None:
        check_output(output, paths)
        check_uncompressed(output)


@contextmanager
def open_pairs(
    source: Path, target: Path | None, columns: tuple[int, int], bad: BadLines
) -> Iterator[Source[TextPair]]:
    """Open the pairs of two files, or of the columns of one if there is no target, as they arrive.

    columns: the numbers of the source's and the target's column, from 1. Reading raises NmtError if
    two files differ in their numbers of lines.
    """
    if target is None:
        with open_source(source, bad.add) as lines:
            pairs = from_columns(lines.segments, show_name(source), columns, bad)
            yield Source(pairs, lines.is_ready)
        return
    with open_source(source, bad.add) as sources, open_source(target, bad.add) as targets:
        rows = align_columns(map(show_name, (source, target)), (sources.segments, targets.segments))
        pairs = (
            BLANK_PAIR if number in bad.numbers else TextPair(*row)
            for number, row in enumerate(rows, start=1)
        )
        yield Source(
            pairs,
            lambda deadline: sources.is_ready(deadline) and targets.is_ready(deadline),
        )


def from_columns(
    lines: Iterable[str], name: str, columns: tuple[int, int], bad: BadLines
) -> Iterator[TextPair]:
    """Yield the pairs in columns that tabs separate; a blank line is a blank pair."""
    source, target = columns
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        is_blank = not line.strip()
        if len(cells) < max(columns) and not is_blank:
            bad.add(
                number,
                NmtError(
                    f"{name}, line {number}: there is no column {max(columns)}; put a tab between"
                    " source and target, or choose with --columns"
                ),
            )
        if is_blank or number in bad.numbers:
            yield BLANK_PAIR
        else:
            yield TextPair(cells[source - 1], cells[target - 1])


def score_file(
    scorer: Scorer,
    source: Path,
    target: Path | None,
    output: Path | None,
    format_line: FormatLine,
    *,
    columns: tuple[int, int] | None = None,
    on_bad_line: str = "error",
) -> None:
    """Write a line for each pair, in order, as soon as it is scored.

    A note at the end tells of lines that could not be read.

    Args:
        scorer: scores the pairs.
        source: a file, a pipe, or `-` for stdin.
        target: likewise; None: both are columns of the source.
        output: a file, which appears when it is complete, or None for stdout.
        format_line: turns a score into a line without its end.
        columns: the numbers of the two columns, from 1; by default the first two.
        on_bad_line: what to do with a line that cannot be read, as `BadLines` takes it.
    """
    bad = BadLines(on_bad_line)
    try:
        with (
            open_pairs(source, target, columns or FIRST_TWO, bad) as pairs,
            open_output(output) as written,
            progress_bar(quiet=is_on_screen(output), unit="pair", desc="score") as bar,
        ):
            for chunk in scorer.chunks(split_chunks(pairs), bad.add):
                first = written.lines + 1
                texts = [
                    f"{format_line(None if line in bad.numbers else score)}\n"
                    for line, score in enumerate(chunk, first)
                ]
                written.write(bad.without_skipped(texts, first), len(chunk))
                bar.update(len(chunk))
    finally:
        bad.tell(note)
