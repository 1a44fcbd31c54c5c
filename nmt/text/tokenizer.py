"""The joint byte-pair encoding (section 5.1), learned and applied by SentencePiece.

Characters or words take its place where a recipe says so, or an encoding a language.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from os import cpu_count
from pathlib import Path

import sentencepiece

from nmt.config import TokenizerSettings
from nmt.errors import NmtError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
LONGEST_LINE = 16_384  # characters given to SentencePiece's learner at once
SPACE = "\u2581"  # SentencePiece's mark of a word's beginning
NAMES = {"bpe": "BPE pieces", "char": "characters", "word": "words"}


PAIR = b"SentencePiece models of source and target, nmt\n"  # begins the bytes of two


class SubwordModel:
    """Segments <-> piece ids. Encoded segments carry no BOS or EOS; batches and search add them."""

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
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
        """Id of the end of a segment."""
        return int(self._processor.eos_id())

    def __len__(self) -> int:
        """The number of pieces V, special ones included."""
        return int(self._processor.get_piece_size())

    def encode(self, segments: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Piece ids of each segment; none where there is nothing but white space."""
        # SentencePiece would read U+0085 and its like as an unknown character.
        texts = ["" if segment.isspace() else segment for segment in segments]
        ids: list[list[int]] = self._processor.encode(texts, num_threads=threads)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of piece ids; special pieces leave no trace but the unknown, U+2047."""
        return str(self._processor.decode([int(each) for each in ids]))

    def piece(self, piece_id: int) -> str:
        """A piece as SentencePiece writes it."""
        return str(self._processor.id_to_piece(piece_id))

    def matches(self, other: "SubwordModel") -> bool:
        """Whether ids mean the same pieces, found in the same order of merges.

        The bytes tell less: SentencePiece notes in them how many threads it learned with.
        """
        ours, theirs = self._processor, other._processor
        return len(self) == len(other) and all(
            ours.id_to_piece(each) == theirs.id_to_piece(each)
            and ours.get_score(each) == theirs.get_score(each)
            for each in range(len(self))
        )


class Tokenizer:
    """The pieces of both languages, which have one vocabulary (section 5.1) or two.

    Its bytes are a SentencePiece model; of two vocabularies a mark, the first model's length, both
    models.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        self.model = model
        self.is_joint = not model.startswith(PAIR)
        if self.is_joint:
            self.source = self.target = SubwordModel(model, origin)
            return
        begin = len(PAIR) + 8
        end = begin + int.from_bytes(model[len(PAIR) : begin], "little")
        self.source = SubwordModel(model[begin:end], f"the source's part of {origin}")
        self.target = SubwordModel(model[end:], f"the target's part of {origin}")

    @property
    def sides(self) -> tuple[SubwordModel, SubwordModel]:
        """Those of the source and those of the target."""
        return self.source, self.target

    def matches(self, other: "Tokenizer") -> bool:
        """Whether ids mean the same pieces of the same languages."""
        return self.is_joint == other.is_joint and all(
            ours.matches(theirs) for ours, theirs in zip(self.sides, other.sides, strict=True)
        )

    def __len__(self) -> int:
        """The number of pieces V, special ones included; of two vocabularies the larger one's."""
        return max(map(len, self.sides))


def joined(source: SubwordModel, target: SubwordModel) -> Tokenizer:
    """A vocabulary for each language."""
    return Tokenizer(PAIR + len(source.model).to_bytes(8, "little") + source.model + target.model)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a file."""
    try:
        return Tokenizer(path.read_bytes(), str(path))
    except OSError as error:
        raise NmtError(f"cannot read the tokenizer {path}: {error.strerror}") from error


def wanted_pieces(settings: TokenizerSettings) -> str:
    """What is to be learned, in words."""
    most = "" if settings.kind == "bpe" else "at most "
    each = "" if settings.joint else " of each language"
    return f"{most}{settings.vocab_size:,} {NAMES[settings.kind]}{each}"


def learn(
    segments: Iterable[str], settings: TokenizerSettings, name: str = "this corpus"
) -> SubwordModel:
    """Learn pieces from the segments of both languages, or of one; `name` names them in errors.

    Of BPE exactly `vocab_size`: raises NmtError if the text is too small for so many, or if they
    are too few for its characters. Of characters or words at most so many, the most frequent; the
    others are unknown. BPE and characters are of normalised text (SentencePiece's NFKC); words are
    symbols, left as they are but for the space between them.
    """
    model = io.BytesIO()
    failures: list[BaseException] = []

    def guarded() -> Iterator[str]:
        # No exception, not even Ctrl-C's, comes through SentencePiece's iterator: keep it for
        # afterwards.
        try:
            for segment in segments:
                for begin in range(0, len(segment), LONGEST_LINE):
                    yield segment[begin : begin + LONGEST_LINE]
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
            input_sentence_size=0,  # all; its own sampling is another at each run
            shuffle_input_sentence=False,
            max_sentence_length=4 * LONGEST_LINE,  # bytes; longer ones would be left out
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
            f"cannot learn tokenizer.vocab_size={settings.vocab_size} pieces from {name}:"
            f" {explain(str(error))}"
        ) from error
    if failures:
        raise failures[0]
    return SubwordModel(model.getvalue())


def explain(message: str) -> str:
    """SentencePiece's reason in the user's words."""
    if "too high" in message:
        largest = message.rpartition("<=")[2].strip(" .")
        return f"it is too small for so many; set at most {largest}"
    if "smaller than required_chars" in message:
        return "it has more distinct characters than that; set more pieces"
    return message.rpartition("] ")[2] or message
