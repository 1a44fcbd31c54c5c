"""Convert text to token ids and back with SentencePiece: byte-pair encoding (section 5.1).

A recipe may choose characters or words instead, and one vocabulary for each language.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from os import cpu_count
from pathlib import Path

from nmt.config import TokenizerSettings
from nmt.errors import DamagedError, NmtError
from nmt.system.file_kinds import kind_of
from nmt.system.reading import read_bytes

PAD, UNK, BOS, EOS = 0, 1, 2, 3
LONGEST_LINE = 16_384  # characters; longer segments are split before SentencePiece learns from them
LONGEST_WORD = 1_000  # characters; SentencePiece cannot load a vocabulary with far longer ones
SPACE = "\u2581"  # marks the start of a word in SentencePiece
# The first bytes of a tokenizer with two vocabularies.
PAIR_HEADER = b"SentencePiece models of source and target, nmt\n"


class SubwordModel:
    """A SentencePiece model, which converts segments to token ids and back.

    Encoded segments have no BOS and EOS; batches and the search add them.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a serialized model; raises NmtError, naming `origin`, if it is not a usable one."""
        import sentencepiece  # here, because whoever only reports a mistake need not wait for it

        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            kind = kind_of(model)
            found = f"{origin} is {kind}, not" if kind else f"{origin} is damaged or is not"
            raise DamagedError(f"{found} a SentencePiece model") from error
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

    def encode_pieces(self, text: str) -> list[int]:
        """Return the ids of pieces, as `piece` writes them, with spaces between them.

        Unknown and special pieces are unknown, but the piece that ends a segment may stand at the
        end of the text and has no id here.
        """
        return [self._piece_id(piece) for piece in self._split_pieces(text)]

    def unknown_pieces(self, text: str) -> list[str]:
        """Return the pieces of such a text that are unknown."""
        return [each for each in self._split_pieces(text) if self._piece_id(each) == UNK]

    def _split_pieces(self, text: str) -> list[str]:
        pieces = text.split()
        return pieces[:-1] if pieces[-1:] == [self.piece(EOS)] else pieces

    def _piece_id(self, piece: str) -> int:
        found = int(self._processor.piece_to_id(piece))
        return UNK if found in (PAD, BOS, EOS) else found

    def encode_words(self, words: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return the token ids of each word, a text without spaces."""
        ids: list[list[int]] = self._processor.encode([*words], num_threads=threads)
        return ids

    def encodes_word_by_word(self) -> bool:
        """Return whether a segment's ids are those of the texts between its spaces, end to end.

        This holds for BPE (its scores are whole numbers: the order of its merges) if no piece has a
        space after its first character, each word gets one space before it, and the space is known.
        Unknown pieces of two words are then never adjacent: SentencePiece would make them one.
        """
        pieces = map(self.piece, range(len(self)))
        scores = map(self._processor.get_score, range(len(self)))
        first, second, *both = self.encode_words(["a", "b", "a  b ", f"a{SPACE} b"])
        return (
            self._processor.piece_to_id(SPACE) != UNK
            and all(ids == first + second for ids in both)
            and not any(SPACE in piece[1:] for piece in pieces)
            and all(float(score).is_integer() for score in scores)
        )

    def unknown(self, text: str) -> list[str]:
        """Return the characters of a text, or its words, that are not in the vocabulary."""
        pieces: list[str] = self._processor.encode(text, out_type=str)
        unknown = [
            piece
            for piece, each in zip(pieces, self._processor.encode(text), strict=True)
            if each == UNK
        ]
        # Adjacent unknown pieces are one. A vocabulary of words has their spaces in it.
        return [
            symbol
            for piece in unknown
            for symbol in (piece.split(SPACE) if SPACE in piece else piece)
            if symbol
        ]

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text's tokens; those of unknown tokens are its characters."""
        pieces: list[str] = self._processor.encode("" if text.isspace() else text, out_type=str)
        return pieces

    def origins(self, text: str) -> list[int]:
        """Return the places in a text that the characters of its pieces come from, and its end.

        They differ where the text is normalised.
        """
        places: list[int] = self._processor.normalize(text, with_offsets=True)[1]
        return places

    def is_byte(self, piece: str) -> bool:
        """Return whether a piece stands for a byte of a character."""
        return bool(self._processor.is_byte(self._processor.piece_to_id(piece)))

    def control_ids(self) -> list[int]:
        """Return the ids of bytes that are control characters, among them the end of a line."""
        pieces = [f"<0x{byte:02X}>" for byte in range(32)]
        return [self._processor.piece_to_id(piece) for piece in pieces if self.is_byte(piece)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens; an unknown token becomes U+2047.

        Bytes that are no character become U+FFFD.
        """
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
    return Tokenizer(read_bytes(path, "the tokenizer", "`nmt prepare` creates it"), str(path))


TOO_HIGH = re.compile(r"too high.*<= (\d+)", re.DOTALL)  # SentencePiece's message
TOO_MANY = 1_000_000  # tokens: more than a small text has


def learn_subwords(
    segments: Iterable[str], settings: TokenizerSettings, name: str = "this corpus"
) -> SubwordModel:
    """Learn a subword model from the segments of both languages, or of one.

    A BPE vocabulary has exactly `vocab_size` tokens. A vocabulary of characters or words has at
    most so many, the most frequent; all others are unknown, and so are words of more than
    `LONGEST_WORD` characters. Text is normalised (SentencePiece's
    NFKC), except that words keep all their characters.

    Raises NmtError if the text is too small for a BPE vocabulary of this size, or if the vocabulary
    is too small for the text's characters; `name` names the text in the message.
    """
    import sentencepiece

    model = io.BytesIO()
    failures: list[BaseException] = []

    def guarded() -> Iterator[str]:
        # SentencePiece's iterator passes no exception on, not even that of Ctrl-C: keep it.
        try:
            for segment in segments:
                text = segment
                if settings.kind == "word" and len(text) > LONGEST_WORD:
                    text = " ".join(word for word in text.split(" ") if len(word) <= LONGEST_WORD)
                for start in range(0, len(text), LONGEST_LINE):
                    yield text[start : start + LONGEST_LINE]
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
            byte_fallback=settings.byte_fallback,
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
