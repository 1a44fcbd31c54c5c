"""A SentencePiece model: subwords of byte-pair encoding (section 5.1), characters or words."""

from collections.abc import Sequence
from itertools import count, takewhile
from typing import Any

from nmt.errors import DamagedError, NmtError
from nmt.system.files import kind_of

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPACE = "\u2581"  # marks the start of a word in SentencePiece


def load_processor(model: bytes, origin: str) -> Any:
    """Return SentencePiece's processor for a serialized model.

    Raises DamagedError, naming `origin`, if it is not one.
    """
    import sentencepiece  # here, because whoever only reports a mistake need not wait for it

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        kind = kind_of(model)
        found = f"{origin} is {kind}, not" if kind else f"{origin} is damaged or is not"
        raise DamagedError(f"{found} a SentencePiece model") from error
    return processor


class SubwordModel:
    """A SentencePiece model, which converts segments to token ids and back.

    Encoded segments have no BOS and EOS; batches and the search add them.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a serialized model; raises NmtError, naming `origin`, if it is not a usable one."""
        self.model = model
        self._processor = load_processor(model, origin)
        if [self._processor.pad_id(), self._processor.bos_id(), self.eos_id] != [PAD, BOS, EOS]:
            raise NmtError(f"{origin} was not made by this program: its special ids differ")

    @property
    def eos_id(self) -> int:
        """Id of the token that ends a segment."""
        return int(self._processor.eos_id())

    @property
    def sentencepiece(self) -> bytes:
        """The serialized SentencePiece model that segments text."""
        return self.model

    @property
    def language_tokens(self) -> tuple[str, ...]:
        """Tokens such as `>>deu<<` that tell an imported model which language to write."""
        return ()

    def language_token(self, text: str) -> str:
        """Return the language token that a text begins with; "" if there is none."""
        return ""

    def tag_id(self, tag: str) -> int | None:
        """Return the id of a tag of training corpora; None if the vocabulary does not have it."""
        found = int(self._processor.piece_to_id(tag))
        return found if self.is_tag(found) else None

    def is_tag(self, piece_id: int) -> bool:
        """Return whether an id is that of a tag of training corpora, which no text contains."""
        return piece_id > EOS and bool(self._processor.is_control(piece_id))

    def tag_ids(self) -> list[int]:
        """Return the ids of all tags of training corpora."""
        return [*takewhile(self.is_tag, count(EOS + 1))]  # SentencePiece puts them first

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

    def shares_vocabulary(self, other: "SubwordModel") -> bool:
        """Return whether an id means the same token in both models."""
        return self is other

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
