"""A SentencePiece model whose pieces have the ids of another list: the vocabulary of Marian models.

The source and the target of an imported model have a SentencePiece model each. It only segments
text. Ids are those of a list of pieces, which both may share. Text becomes the ids that
`MarianTokenizer` of Hugging Face's transformers gives it.
"""

import json
import re
import unicodedata
from collections.abc import Sequence

from nmt.errors import DamagedError
from nmt.system.json_data import parse_json
from nmt.text.subwords import BOS, EOS, PAD, SPACE, UNK, SubwordModel, load_processor

HEADER = b"SentencePiece model and vocabulary, nmt\n"
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")  # the names of the ids 0 to 3
LANGUAGE = re.compile(r">>[^\s<>]{1,40}<<")  # a token such as >>deu<<


def pack(sentencepiece: bytes, pieces: Sequence[str]) -> bytes:
    """Return the bytes of a mapped model.

    pieces: those of the ids from 4 on; the ids before are special.
    """
    listed = json.dumps([*pieces], separators=(",", ":")).encode()
    return HEADER + len(listed).to_bytes(8, "little") + listed + sentencepiece


class MappedSubwords(SubwordModel):
    """A SentencePiece model with the ids of a vocabulary."""

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load the bytes that `pack` returns; raises NmtError, naming `origin`, for others."""
        start = len(HEADER) + 8
        end = start + int.from_bytes(model[len(HEADER) : start], "little")
        listed = parse_json(model[start:end], list[str], f"the vocabulary of {origin}")
        self.model = model
        self._sentencepiece = model[end:]
        self._processor = load_processor(self._sentencepiece, origin)
        self._pieces = (*SPECIAL, *listed)
        self._ids = {piece: each for each, piece in enumerate(listed, len(SPECIAL))}
        if len(self._ids) != len(listed):
            raise DamagedError(f"the vocabulary of {origin} has a piece twice")
        self._languages = tuple(filter(LANGUAGE.fullmatch, listed))

    @property
    def sentencepiece(self) -> bytes:
        """The serialized SentencePiece model that segments text."""
        return self._sentencepiece

    @property
    def language_tokens(self) -> tuple[str, ...]:
        """Tokens such as `>>deu<<`, in the order of their ids."""
        return self._languages

    def language_token(self, text: str) -> str:
        """Return the language token that a text begins with, known or not; "" if there is none."""
        found = LANGUAGE.match(text) if self._languages else None
        return found[0] if found else ""

    def tag_id(self, tag: str) -> int | None:
        """Return None: a vocabulary that was not learned here has no tags."""
        return None

    def is_tag(self, piece_id: int) -> bool:
        """Return False: a vocabulary that was not learned here has no tags."""
        return False

    @property
    def eos_id(self) -> int:
        """Id of the token that ends a segment."""
        return EOS

    def __len__(self) -> int:
        """Return the size of the vocabulary V, special tokens included."""
        return len(self._pieces)

    def encode(self, segments: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return the token ids of each segment; a language token at its beginning is one of them.

        White space alone has no ids.
        """
        tokens = [*map(self.language_token, segments)]
        texts = [self._rest(*each) for each in zip(segments, tokens, strict=True)]
        rows: list[list[str]] = self._processor.encode(texts, out_type=str, num_threads=threads)
        return [
            [*map(self._piece_id, [token, *row] if token else row)]
            for token, row in zip(tokens, rows, strict=True)
        ]

    def _rest(self, segment: str, token: str) -> str:
        rest = segment[len(token) :]
        return "" if rest.isspace() else rest

    def _piece_id(self, piece: str) -> int:
        return self._ids.get(piece, UNK)

    def encode_words(self, words: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return the token ids of each word, a text without spaces."""
        return self.encode(words, threads)

    def encodes_word_by_word(self) -> bool:
        """Return False: the SentencePiece models of others may segment whole texts."""
        return False

    def unknown(self, text: str) -> list[str]:
        """Return the characters of a text that are not in the vocabulary, and unknown pieces."""
        unknown = [piece for piece in self.pieces(text) if self._piece_id(piece) == UNK]
        return [
            symbol
            for piece in unknown
            for symbol in ([piece] if LANGUAGE.fullmatch(piece) else piece.replace(SPACE, ""))
        ]

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text's tokens; those of unknown tokens are its characters."""
        token = self.language_token(text)
        pieces: list[str] = self._processor.encode(self._rest(text, token), out_type=str)
        return [token, *pieces] if token else pieces

    def origins(self, text: str) -> list[int]:
        """Return the places in a text that the characters of its pieces come from, and its end."""
        token = self.language_token(text)
        places = super().origins(text[len(token) :])
        return [*range(len(token)), *(len(token) + each for each in places)]

    def control_ids(self) -> list[int]:
        """Return the ids of pieces that are or hold control characters, such as a line's end."""
        bytes_of_control = {f"<0x{byte:02X}>" for byte in range(32)}
        return [
            each
            for piece, each in self._ids.items()
            if (piece in bytes_of_control and self.is_byte(piece))
            or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in piece)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens; an unknown token becomes U+2047."""
        unknown = self._processor.id_to_piece(self._processor.unk_id())
        pieces = [
            unknown if each == UNK else self._pieces[each]
            for each in map(int, ids)
            if each not in (PAD, BOS, EOS)
        ]
        # SentencePiece leaves pieces that it does not know, such as those of the other language.
        return str(self._processor.decode_pieces(pieces)).replace(SPACE, " ").strip()

    def piece(self, piece_id: int) -> str:
        """Return the piece with an id, with U+2581 for a space."""
        return self._pieces[piece_id]

    def shares_vocabulary(self, other: SubwordModel) -> bool:
        """Return whether an id means the same token in both models."""
        return isinstance(other, MappedSubwords) and self._pieces == other._pieces

    def matches(self, other: SubwordModel) -> bool:
        """Return whether two models have the same vocabulary and segment text alike."""
        return (
            isinstance(other, MappedSubwords)
            and self._pieces == other._pieces
            and self._sentencepiece == other._sentencepiece
        )
