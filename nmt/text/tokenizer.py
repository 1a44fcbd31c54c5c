"""Convert text to token ids and back with SentencePiece: byte-pair encoding (section 5.1).

A recipe may choose characters or words instead, and one vocabulary for each language.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from nmt.config import TokenizerSettings
from nmt.errors import NmtError
from nmt.system.files import read_bytes
from nmt.system.threads import processor_count
from nmt.text.mapped_subwords import HEADER as MAPPED_HEADER
from nmt.text.mapped_subwords import MappedSubwords
from nmt.text.subwords import BOS, EOS, PAD, SPACE, UNK, SubwordModel

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPACE",
    "UNK",
    "SubwordModel",
    "Tokenizer",
    "explain",
    "learn_subwords",
    "load_tokenizer",
    "most_tokens",
]

LONGEST_LINE = 16_384  # characters; longer segments are split before SentencePiece learns from them
LONGEST_WORD = 1_000  # characters; SentencePiece cannot load a vocabulary with far longer ones
# The first bytes of a tokenizer with a model for each language.
PAIR_HEADER = b"SentencePiece models of source and target, nmt\n"


class Tokenizer:
    """The subword models of source and target: one for both (section 5.1), or one each.

    `model` has the bytes of the tokenizer's file: those of one subword model, or a header, the
    length of the first model, and two models. `is_joint` tells whether an id means the same token
    in both languages; imported models may have two subword models with one vocabulary.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a tokenizer's bytes; raises NmtError, naming `origin`, if they are not usable."""
        self.model = model
        self.is_joint = True
        if not model.startswith(PAIR_HEADER):
            self.source = self.target = subwords_of(model, origin)
            return
        start = len(PAIR_HEADER) + 8
        end = start + int.from_bytes(model[len(PAIR_HEADER) : start], "little")
        self.source = subwords_of(model[start:end], f"the source part of {origin}")
        self.target = subwords_of(model[end:], f"the target part of {origin}")
        self.is_joint = self.source.shares_vocabulary(self.target)

    @classmethod
    def from_two(cls, source: SubwordModel, target: SubwordModel) -> "Tokenizer":
        """Return a tokenizer with a subword model for each language."""
        length = len(source.model).to_bytes(8, "little")
        return cls(PAIR_HEADER + length + source.model + target.model)

    @property
    def sides(self) -> tuple[SubwordModel, SubwordModel]:
        """The subword models of the source and of the target."""
        return self.source, self.target

    def matches(self, other: "Tokenizer") -> bool:
        """Return whether ids mean the same tokens of the same languages."""
        return self.is_joint == other.is_joint and all(
            ours.matches(theirs) for ours, theirs in zip(self.sides, other.sides, strict=True)
        )

    def __len__(self) -> int:
        """Return the size V of the vocabulary, or of the larger one if there are two."""
        return max(map(len, self.sides))


def subwords_of(model: bytes, origin: str) -> SubwordModel:
    """Return the subword model in some bytes; raises NmtError if they are not usable."""
    kind = MappedSubwords if model.startswith(MAPPED_HEADER) else SubwordModel
    return kind(model, origin)


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a file; raises NmtError if the file is not usable."""
    return Tokenizer(read_bytes(path, "the tokenizer", "`nmt prepare` creates it"), str(path))


TOO_HIGH = re.compile(r"too high.*<= (\d+)", re.DOTALL)  # SentencePiece's message
TOO_MANY = 1_000_000  # tokens: more than a small text has


def learn_subwords(
    segments: Iterable[str],
    settings: TokenizerSettings,
    name: str = "this corpus",
    tags: Sequence[str] = (),
) -> SubwordModel:
    """Learn a subword model from the segments of both languages, or of one.

    A BPE vocabulary has exactly `vocab_size` tokens. A vocabulary of characters or words has at
    most so many, the most frequent; all others are unknown, and so are words of more than
    `LONGEST_WORD` characters. Text is normalised (SentencePiece's NFKC), except that words keep all
    their characters. Tags are tokens that no text contains; they count as part of the vocabulary.

    Raises NmtError if the text is too small for a BPE vocabulary of this size, or if the vocabulary
    is too small for the text's characters; `name` names the text in the message.
    """
    import sentencepiece

    model = io.BytesIO()
    failures: list[BaseException] = []

    def guarded() -> Iterator[str]:
        # SentencePiece's iterator passes no exception on, not even that of Ctrl-C: keep it, and end
        # with what is no text. At a usual end, it would first learn from what it has read.
        try:
            for segment in segments:
                yield from learnable(segment, settings.kind)
        except GeneratorExit:
            raise
        except BaseException as error:
            failures.append(error)
            yield cast(str, None)

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=guarded(),
            model_writer=model,
            model_type=settings.kind,
            vocab_size=settings.vocab_size,
            hard_vocab_limit=settings.kind == "bpe",
            normalization_rule_name="identity" if settings.kind == "word" else "nmt_nfkc",
            character_coverage=settings.character_coverage,
            byte_fallback=settings.byte_fallback,
            required_chars="",  # though it is the default, this changes the bytes of the model
            input_sentence_size=0,  # all: SentencePiece would sample others in each run
            shuffle_input_sentence=False,
            max_sentence_length=4 * LONGEST_LINE,  # bytes; longer lines would be left out
            num_threads=processor_count(),
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            control_symbols=[*tags],
            minloglevel=2,
        )
    except (RuntimeError, ValueError) as error:
        if failures:
            raise failures[0] from error
        raise NmtError(
            f"cannot learn a vocabulary of tokenizer.vocab_size={settings.vocab_size} from {name}:"
            f" {explain(str(error))}"
        ) from error
    if failures:
        raise failures[0]
    return SubwordModel(model.getvalue())


def learnable(segment: str, kind: str) -> Iterator[str]:
    """Yield the parts of a segment that SentencePiece can learn from, for a kind of vocabulary."""
    if kind == "word" and len(segment) > LONGEST_WORD:
        segment = " ".join(word for word in segment.split(" ") if len(word) <= LONGEST_WORD)
    for start in range(0, len(segment), LONGEST_LINE):
        yield segment[start : start + LONGEST_LINE]


def most_tokens(segments: Iterable[str], character_coverage: float) -> int:
    """Return the size of the largest BPE vocabulary that can be learned from a small text.

    Raises NmtError if none can be learned.
    """
    settings = TokenizerSettings(TOO_MANY, character_coverage=character_coverage)
    try:
        return len(learn_subwords(segments, settings))
    except NmtError as error:
        if found := TOO_HIGH.search(str(error.__cause__)):
            return int(found[1])
        raise


def explain(message: str) -> str:
    """Return SentencePiece's reason for a failure as a phrase that says how to fix it."""
    if found := TOO_HIGH.search(message):
        return f"the text is too small for so many tokens; set at most {found[1]}"
    if "smaller than required_chars" in message:
        return "the text has more distinct characters than that; set a larger size"
    return message.rpartition("] ")[2] or message
