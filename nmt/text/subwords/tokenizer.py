"""Convert text to token ids and back with SentencePiece: byte-pair encoding (section 5.1).

A recipe may choose characters or words instead, and one vocabulary for each language. The ids of a
model of another program (Marian) are those of a list of pieces, which source and target may share;
SentencePiece then only segments text, and text becomes the ids that `MarianTokenizer` of Hugging
Face's transformers gives it.
"""

import json
import unicodedata
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from nmt.errors import DamagedError, NmtError, UsageError, list_first, shown
from nmt.recipe.rules import LANGUAGE_TOKEN, SPECIAL_TOKENS
from nmt.system.files import detect_kind, read_bytes
from nmt.system.json_data import parse_json
from nmt.text.reading.languages import find_language

PAD, UNK, BOS, EOS = range(len(SPECIAL_TOKENS))
SPACE = "\u2581"  # marks the start of a word in SentencePiece
CONTROL_BYTES = [f"<0x{byte:02X}>" for byte in range(32)]  # pieces
# The first bytes of a subword model with a list of pieces, and of a tokenizer with a model for each
# language. The length of what comes first follows in 8 bytes.
LISTED_HEADER = b"SentencePiece model and vocabulary, nmt\n"
PAIR_HEADER = b"SentencePiece models of source and target, nmt\n"


def load_processor(model: bytes, origin: str) -> Any:
    """Return SentencePiece's processor for a serialized model.

    Raises DamagedError, naming `origin`, if it is not one.
    """
    import sentencepiece  # here, because whoever only reports a mistake need not wait for it

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        kind = detect_kind(model)
        found = f"{origin} is {kind}, not" if kind else f"{origin} is damaged or is not"
        raise DamagedError(f"{found} a SentencePiece model") from error
    return processor


def with_length(header: bytes, first: bytes, second: bytes) -> bytes:
    """Return a header and two contents in the form that `split` reads."""
    return header + len(first).to_bytes(8, "little") + first + second


def split(content: bytes, header: bytes) -> tuple[bytes, bytes]:
    """Return the two contents behind a header."""
    start = len(header) + 8
    end = start + int.from_bytes(content[len(header) : start], "little")
    return content[start:end], content[end:]


class SubwordModel:
    """A SentencePiece model, which converts segments to token ids and back.

    Encoded segments have no BOS and EOS; batches and the search add them. `model` has the bytes of
    the subword model, and `sentencepiece` those of the SentencePiece model in it. With a list of
    pieces, these have the ids from 4 on; otherwise ids are SentencePiece's own. `language_tokens`
    are the tokens such as `>>deu<<` that tell a model which language to write.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load the bytes of a subword model; raises NmtError, naming `origin`, for other bytes."""
        self.model = self.sentencepiece = model
        self._pieces: tuple[str, ...] | None = None  # the list; None: SentencePiece's own
        self._ids: dict[str, int] = {}  # of the list
        self._text_ids: dict[str, int] = {}  # likewise, without tokens that no text contains
        if model.startswith(LISTED_HEADER):
            content, self.sentencepiece = split(model, LISTED_HEADER)
            listed = parse_json(content, list[str], f"the vocabulary of {origin}")
            self._pieces = (*SPECIAL_TOKENS, *listed)
            self._ids = {
                piece: piece_id for piece_id, piece in enumerate(listed, len(SPECIAL_TOKENS))
            }
            self._text_ids = {
                piece: piece_id
                for piece, piece_id in self._ids.items()
                if not LANGUAGE_TOKEN.fullmatch(piece)
            }
        self._processor = load_processor(self.sentencepiece, origin)
        if self._pieces is None:
            special = (self._processor.pad_id(), self._processor.bos_id(), self._processor.eos_id())
            if special != (PAD, BOS, EOS):
                raise NmtError(f"{origin} was not made by this program: its special ids differ")
        elif len(self._ids) != len(listed):
            raise DamagedError(f"the vocabulary of {origin} has a piece twice")
        controls = map(self.piece, self.tag_ids())
        self.language_tokens = tuple(filter(LANGUAGE_TOKEN.fullmatch, controls))

    @classmethod
    def with_pieces(
        cls, sentencepiece: bytes, pieces: Sequence[str], origin: str = "the tokenizer"
    ) -> "SubwordModel":
        """Return a subword model with a list of pieces, those of the ids from 4 on."""
        listed = json.dumps([*pieces], separators=(",", ":")).encode()
        return cls(with_length(LISTED_HEADER, listed, sentencepiece), origin)

    def __len__(self) -> int:
        """Return the size of the vocabulary V, special tokens included."""
        if self._pieces is not None:
            return len(self._pieces)
        return int(self._processor.get_piece_size())

    def encode(self, segments: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return the token ids of each segment; white space alone has none.

        No text becomes a tag, a language token or a separator, whatever it spells.
        """
        texts = [*map(blank_to_empty, segments)]
        if self._pieces is None:
            return self.encode_words(texts, threads)
        rows: list[list[str]] = self._processor.encode(texts, out_type=str, num_threads=threads)
        return [[self._text_ids.get(piece, UNK) for piece in row] for row in rows]

    def encode_words(self, words: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Return SentencePiece's own ids of each word, a text without spaces."""
        ids: list[list[int]] = self._processor.encode([*words], num_threads=threads)
        return ids

    def encodes_word_by_word(self) -> bool:
        """Return whether a segment's ids are those of the texts between its spaces, end to end.

        This holds for BPE (its scores are whole numbers: the order of its merges) if no piece has a
        space after its first character, each word gets one space before it, and the space is known.
        Unknown pieces of two words are then never adjacent: SentencePiece would make them one. The
        SentencePiece models of others may segment whole texts.
        """
        if self._pieces is not None:
            return False
        pieces = map(self.piece, range(len(self)))
        scores = map(self._processor.get_score, range(len(self)))
        first, second, *both = self.encode_words(["a", "b", "a  b ", f"a{SPACE} b"])
        return (
            self._processor.piece_to_id(SPACE) != UNK
            and all(ids == first + second for ids in both)
            and not any(SPACE in piece[1:] for piece in pieces)
            and all(float(score).is_integer() for score in scores)
        )

    def language_id(self, token: str) -> int:
        """Return the id of one of `language_tokens`."""
        return self._piece_id(token)

    def tag_id(self, tag: str) -> int | None:
        """Return the id of a control token; None if the vocabulary does not have it."""
        found = self._piece_id(tag)
        return found if self.is_tag(found) else None

    def is_tag(self, piece_id: int) -> bool:
        """Return whether an id is that of a control token, which no text contains.

        Control tokens are the tags of training corpora, language tokens and the separator. A list
        of pieces has language tokens only.
        """
        if self._pieces is not None:
            return LANGUAGE_TOKEN.fullmatch(self._pieces[piece_id]) is not None
        return piece_id > EOS and bool(self._processor.is_control(piece_id))

    def tag_ids(self) -> list[int]:
        """Return the ids of all control tokens."""
        if self._pieces is not None:
            return [
                piece_id for piece, piece_id in self._ids.items() if piece not in self._text_ids
            ]
        return [*takewhile(self.is_tag, count(EOS + 1))]  # SentencePiece puts them first

    def encode_pieces(self, text: str) -> list[int]:
        """Return the ids of pieces, as `piece` writes them, with spaces between them.

        Special pieces count as unknown. A piece EOS at the end of the text is left out.
        """
        return [self._piece_id(piece) for piece in self._split_pieces(text)]

    def unknown_pieces(self, text: str) -> list[str]:
        """Return the pieces of such a text that are unknown."""
        return [piece for piece in self._split_pieces(text) if self._piece_id(piece) == UNK]

    def _split_pieces(self, text: str) -> list[str]:
        pieces = text.split()
        return pieces[:-1] if pieces[-1:] == [self.piece(EOS)] else pieces

    def _piece_id(self, piece: str) -> int:
        if self._pieces is not None:
            return self._ids.get(piece, UNK)
        found = int(self._processor.piece_to_id(piece))
        return UNK if found in (PAD, BOS, EOS) else found

    def unknown(self, text: str) -> list[str]:
        """Return the characters of a text, or its words, that are not in the vocabulary."""
        symbols: list[str] = []
        # The ids tell: unknown characters may spell a piece that no text has, such as a tag.
        for piece, piece_id in zip(self.pieces(text), *self.encode([text]), strict=True):
            if piece_id != UNK:
                continue
            if self._pieces is not None:
                symbols += piece.replace(SPACE, "")
            else:  # adjacent ones are one; a vocabulary of words has their spaces in it
                symbols += filter(None, piece.split(SPACE) if SPACE in piece else piece)
        return symbols

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text's tokens; those of unknown tokens are its characters."""
        pieces: list[str] = self._processor.encode(blank_to_empty(text), out_type=str)
        return pieces

    def origins(self, text: str) -> list[int]:
        """Return the position in the text of each character of its pieces, then the text's end.

        Normalisation may add, join and drop characters.
        """
        positions: list[int] = self._processor.normalize(text, with_offsets=True)[1]
        return positions

    def is_byte(self, piece: str) -> bool:
        """Return whether a piece stands for a byte of a character."""
        return bool(self._processor.is_byte(self._processor.piece_to_id(piece)))

    def control_ids(self) -> list[int]:
        """Return the ids of pieces that are control characters, among them the end of a line.

        In a list of pieces, those that hold such a character are among them.
        """
        if self._pieces is None:
            return [*map(self._processor.piece_to_id, filter(self.is_byte, CONTROL_BYTES))]
        return [
            piece_id
            for piece, piece_id in self._ids.items()
            if (piece in CONTROL_BYTES and self.is_byte(piece))
            or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in piece)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens; an unknown token becomes U+2047.

        Bytes that are no character become U+FFFD.
        """
        ids = [*map(int, ids)]
        if self._pieces is None:
            return str(self._processor.decode(ids))
        unknown = self._processor.id_to_piece(self._processor.unk_id())
        pieces = [
            unknown if piece_id == UNK else self._pieces[piece_id]
            for piece_id in ids
            if piece_id not in (PAD, BOS, EOS)
        ]
        # SentencePiece leaves pieces that it does not know, such as those of the other language.
        return str(self._processor.decode_pieces(pieces)).replace(SPACE, " ").strip()

    def piece(self, piece_id: int) -> str:
        """Return the piece with an id as SentencePiece writes it, with U+2581 for a space."""
        if self._pieces is not None:
            return self._pieces[piece_id]
        return str(self._processor.id_to_piece(piece_id))

    def shares_vocabulary(self, other: "SubwordModel") -> bool:
        """Return whether an id means the same token in both models."""
        return self is other or (self._pieces is not None and self._pieces == other._pieces)

    def matches(self, other: "SubwordModel") -> bool:
        """Return whether two models have the same vocabulary and segment text alike.

        Equal models may differ in bytes: SentencePiece stores how many threads it learned with.
        """
        if self._pieces is not None or other._pieces is not None:
            return self._pieces == other._pieces and self.sentencepiece == other.sentencepiece
        ours, theirs = self._processor, other._processor
        return len(self) == len(other) and all(
            ours.id_to_piece(piece_id) == theirs.id_to_piece(piece_id)
            and ours.get_score(piece_id) == theirs.get_score(piece_id)
            for piece_id in range(len(self))
        )


def blank_to_empty(text: str) -> str:
    """Return a text, or "" for white space alone, of which SentencePiece reads some as unknown."""
    return "" if text.isspace() else text


class Tokenizer:
    """The subword models of source and target: one for both (section 5.1), or one each.

    `model` has the bytes of the tokenizer's file: those of one subword model, or of two. `is_joint`
    tells whether an id means the same token in both languages; imported models may have two subword
    models with one vocabulary.
    """

    def __init__(self, model: bytes, origin: str = "the tokenizer") -> None:
        """Load a tokenizer's bytes; raises NmtError, naming `origin`, if they are not usable."""
        self.model = model
        if model.startswith(PAIR_HEADER):
            source, target = split(model, PAIR_HEADER)
            self.source = SubwordModel(source, f"the source part of {origin}")
            self.target = SubwordModel(target, f"the target part of {origin}")
        else:
            self.source = self.target = SubwordModel(model, origin)
        self.is_joint = self.source.shares_vocabulary(self.target)

    @classmethod
    def from_two(cls, source: SubwordModel, target: SubwordModel) -> "Tokenizer":
        """Return a tokenizer with a subword model for each language."""
        return cls(with_length(PAIR_HEADER, source.model, target.model))

    @property
    def sides(self) -> tuple[SubwordModel, SubwordModel]:
        """Return the subword models of the source and of the target."""
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


def target_token(wanted: str, subwords: SubwordModel, own: str = "") -> str:
    """Return the token that makes a model write a language; "" if the model has no tokens.

    wanted: the code in a token, the token, or another code of the language. own: the language that
    a model without tokens writes. Raises UsageError, with the model's languages, unless one of them
    is wanted.
    """
    codes = [token[2:-2] for token in subwords.language_tokens]
    if not wanted and not codes:
        return ""
    found = find_language(wanted.removeprefix(">>").removesuffix("<<"), codes or [own])
    if len(found) == 1:
        return f">>{found[0]}<<" if codes else ""
    problem = f"the model does not write {shown(wanted)}; it writes"
    if found:
        problem = f"{shown(wanted)} may be several languages of the model; choose one"
    elif not wanted:
        problem = "the model writes several languages; choose one (--to)"
    raise UsageError(f"{problem}: {list_first(found or codes or [own])}")
