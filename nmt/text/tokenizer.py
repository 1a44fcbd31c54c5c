"""Convert text to token ids and back with SentencePiece: byte-pair encoding (section 5.1).

A recipe may choose characters or words instead, and one vocabulary for each language.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from os import cpu_count
from pathlib import Path

import sentencepiece

from nmt.config import TokenizerSettings
from nmt.errors import NmtError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
LONGEST_LINE = 16_384  # characters; longer segments are split before SentencePiece learns from them
SPACE = "\u2581"  # marks the start of a word in SentencePiece
TOKEN_NAMES = {"bpe": "BPE tokens", "char": "characters", "word": "words"}
# The first bytes of a tokenizer with two vocabularies.
PAIR_HEADER = b"SentencePiece models of source and target, nmt\n"


class SubwordModel:
    """A SentencePiece model, which converts segments to token ids and back.

    Encoded segments have no BOS and EOS; batches and the search add them.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a serialized model; raises NmtError, naming `origin`, if it is not a usable one."""
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise NmtError(f"{origin} is not a SentencePiece model") from error
        if [self._processor.pad_id(), self._processor.bos_id(), self.eos_id] != [PAD, BOS, EOS]:
            raise NmtError(f"{origin} was not made by this program: its special ids differ")

    @property
    def eos_id(self) -> int:
        """Id of the token that ends a segment."""
        return int(self._processor.eos_id())

    def __len__(self) -> int:
        """Return the size of the vocabulary V, special tokens included."""
        return int(self._processor.get_piece_size())

    def encode(self, segments: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return the token ids of each segment; white space alone has none."""
        # SentencePiece would read U+0085 and similar characters as unknown.
        texts = ["" if segment.isspace() else segment for segment in segments]
        ids: list[list[int]] = self._processor.encode(texts, num_threads=threads)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens; an unknown token becomes U+2047."""
        return str(self._processor.decode([int(each) for each in ids]))

    def piece(self, piece_id: int) -> str:
        """Return the piece with an id as SentencePiece writes it, with U+2581 for a space."""
        return str(self._processor.id_to_piece(piece_id))

    def matches(self, other: "SubwordModel") -> bool:
        """Return whether two models have the same pieces and scores, hence the same ids and merges.

        Equal models may differ in bytes: SentencePiece stores how many threads it learned with.
        """
        ours, theirs = self._processor, other._processor
        return len(self) == len(other) and all(
            ours.id_to_piece(each) == theirs.id_to_piece(each)
            and ours.get_score(each) == theirs.get_score(each)
            for each in range(len(self))
        )


class Tokenizer:
    """The subword models of source and target: one for both (section 5.1), or one each.

    `model` has the bytes of the tokenizer's file: one SentencePiece model, or a header, the length
    of the first model, and two models.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a tokenizer's bytes; raises NmtError, naming `origin`, if they are not usable."""
        self.model = model
        self.is_joint = not model.startswith(PAIR_HEADER)
        if self.is_joint:
            self.source = self.target = SubwordModel(model, origin)
            return
        start = len(PAIR_HEADER) + 8
        end = start + int.from_bytes(model[len(PAIR_HEADER) : start], "little")
        self.source = SubwordModel(model[start:end], f"the source part of {origin}")
        self.target = SubwordModel(model[end:], f"the target part of {origin}")

    @classmethod
    def from_two(cls, source: SubwordModel, target: SubwordModel) -> "Tokenizer":
        """Return a tokenizer with a vocabulary for each language."""
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


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a file; raises NmtError if the file is not usable."""
    try:
        return Tokenizer(path.read_bytes(), str(path))
    except OSError as error:
        raise NmtError(f"cannot read the tokenizer {path}: {error.strerror}") from error


def describe_vocabulary(settings: TokenizerSettings) -> str:
    """Return a phrase such as "8,000 BPE tokens" for the vocabulary that is to be learned."""
    most = "" if settings.kind == "bpe" else "at most "
    each = "" if settings.joint else " of each language"
    return f"{most}{settings.vocab_size:,} {TOKEN_NAMES[settings.kind]}{each}"


def learn_subwords(
    segments: Iterable[str], settings: TokenizerSettings, name: str = "this corpus"
) -> SubwordModel:
    """Learn a subword model from the segments of both languages, or of one.

    A BPE vocabulary has exactly `vocab_size` tokens. A vocabulary of characters or words has at
    most so many, the most frequent; all others are unknown. Text is normalised (SentencePiece's
    NFKC), except that words keep all their characters.

    Raises NmtError if the text is too small for a BPE vocabulary of this size, or if the vocabulary
    is too small for the text's characters; `name` names the text in the message.
    """
    model = io.BytesIO()
    failures: list[BaseException] = []

    def guarded() -> Iterator[str]:
        # SentencePiece's iterator passes no exception on, not even that of Ctrl-C: keep it.
        try:
            for segment in segments:
                for start in range(0, len(segment), LONGEST_LINE):
                    yield segment[start : start + LONGEST_LINE]
        except GeneratorExit:
            raise
        except BaseException as error:
            failures.append(error)

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=guarded(),
            model_writer=model,
            model_type=settings.kind,
            vocab_size=settings.vocab_size,
            hard_vocab_limit=settings.kind == "bpe",
            normalization_rule_name="identity" if settings.kind == "word" else "nmt_nfkc",
            character_coverage=settings.character_coverage,
            input_sentence_size=0,  # all: SentencePiece would sample others in each run
            shuffle_input_sentence=False,
            max_sentence_length=4 * LONGEST_LINE,  # bytes; longer lines would be left out
            num_threads=cpu_count() or 1,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from error
        raise NmtError(
            f"cannot learn a vocabulary of tokenizer.vocab_size={settings.vocab_size} from {name}:"
            f" {explain(str(error))}"
        ) from error
    if failures:
        raise failures[0]
    return SubwordModel(model.getvalue())


def explain(message: str) -> str:
    """Return SentencePiece's reason for a failure as a phrase that says how to fix it."""
    if "too high" in message:
        largest = message.rpartition("<=")[2].strip(" .")
        return f"the text is too small for so many tokens; set at most {largest}"
    if "smaller than required_chars" in message:
        return "the text has more distinct characters than that; set a larger size"
    return message.rpartition("] ")[2] or message
