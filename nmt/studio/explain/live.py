"""Pack what the page needs to run the model itself: weights, subwords, and their settings.

`nmt/studio/pages/explain/live/` computes with it what the program computes.
"""

import base64
import struct
from dataclasses import asdict
from typing import Any

from nmt.config import DecodeSettings
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.segments import segment_limit
from nmt.runs.trained_model import TrainedModel
from nmt.studio.explain.packing import pack
from nmt.text.subwords.tokenizer import LISTED_HEADER, SubwordModel, target_token

MOST_PARAMETERS = 10_000_000
# Numbers of fields in the file of a SentencePiece model.
PIECES, TRAINER, NORMALIZER = 1, 2, 3
TEXT, SCORE, TYPE = 1, 2, 3  # of a piece
KIND, SPACE_AFTER_WORDS, BYTE_FALLBACK = 3, 24, 35  # of the trainer
CHARACTERS = 2  # of the normalizer: rules that replace characters
ORDINARY_SPACES = 3, 4, 5  # one before each text, one instead of many, U+2581 for each
KINDS = {2: "bpe", 3: "word", 4: "char"}
ORDINARY, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # types of pieces


def live_data(model: TrainedModel, settings: DecodeSettings) -> dict[str, Any]:
    """Return what the page needs to run a model; call it only if `why_not_live` is empty."""
    network = model.network
    source, target = model.tokenizer.sides
    wanted = settings.target_language
    return {
        "weights": {
            name: pack(weight.float().cpu()) for name, weight in network.state_dict().items()
        },
        "subwords": {
            "source": subword_data(source),
            "target": None if target is source else subword_data(target),
        },
        "model": asdict(model.recipe.model),
        "decode": {
            "beam_size": settings.beam_size,
            "length_penalty": settings.length_penalty,
            "stopping": settings.stopping,
            "min_length": settings.min_length,
            "max_length": settings.max_length,
            "max_extra_tokens": settings.max_extra_tokens,
            "no_repeat_ngram": settings.no_repeat_ngram,
            "repairs": settings.odd_input == "repair",
            "never": special_ids(model.tokenizer).never,
            "longest": segment_limit(settings, model.recipe.model).tokens,
            "position_limit": model.recipe.model.position_limit,
            "offset": 0 if model.tokenizer.is_joint else len(model.tokenizer),
            "languages": {token: source.language_id(token) for token in source.language_tokens},
            "to": target_token(wanted, source, wanted),
        },
    }


def why_not_live(model: TrainedModel, settings: DecodeSettings) -> str:
    """Return why the page cannot run a model, as a sentence; "" if it can."""
    parameters = sum(weight.numel() for weight in model.network.parameters())
    if parameters > MOST_PARAMETERS:
        return (
            f"The model has {parameters:,} parameters; a page holds models of at most"
            f" {MOST_PARAMETERS:,}, so nothing can be typed here."
        )
    if not all(map(has_own_rules, model.tokenizer.sides)):
        return "The model's subwords are those of another program, so nothing can be typed here."
    if settings.precision == "bf16":
        return "A page computes in float32, not in bf16, so nothing can be typed here."
    return ""


def has_own_rules(subwords: SubwordModel) -> bool:
    """Return whether the page can cut text into these subwords: they are as this program learns."""
    if subwords.model.startswith(LISTED_HEADER):
        return False
    model = Message(subwords.sentencepiece)
    trainer, normalizer = Message(model.only(TRAINER)), Message(model.only(NORMALIZER))
    known = {ORDINARY, UNKNOWN, CONTROL, BYTE}
    return (
        trainer.only(KIND) in KINDS
        and not trainer.only(SPACE_AFTER_WORDS, 0)
        and all(normalizer.only(flag, 1) for flag in ORDINARY_SPACES)
        and {Message(piece).only(TYPE, ORDINARY) for piece in model.every(PIECES)} <= known
    )


def subword_data(subwords: SubwordModel) -> dict[str, Any]:
    """Return the pieces of a subword model and the rules by which it cuts text into them."""
    model = Message(subwords.sentencepiece)
    trainer, normalizer = Message(model.only(TRAINER)), Message(model.only(NORMALIZER))
    pieces = [*map(Message, model.every(PIECES))]
    return {
        "kind": KINDS[trainer.only(KIND)],
        "byte_fallback": bool(trainer.only(BYTE_FALLBACK, 0)),
        "pieces": [piece.only(TEXT).decode() for piece in pieces],
        "scores": [struct.unpack("<f", piece.only(SCORE, bytes(4)))[0] for piece in pieces],
        "types": [piece.only(TYPE, ORDINARY) for piece in pieces],
        "characters": base64.b64encode(normalizer.only(CHARACTERS, b"")).decode("ascii"),
    }


class Message:
    """A message of Protocol Buffers, whose fields have numbers instead of names."""

    def __init__(self, content: bytes) -> None:
        """Read all fields; numbers of a fixed size stay bytes."""
        self._fields: dict[int, list[Any]] = {}
        index = 0
        while index < len(content):
            key, index = read_number(content, index)
            kind = key & 7
            value: int | bytes
            if kind == 0:
                value, index = read_number(content, index)
            else:
                size = {1: 8, 5: 4}.get(kind)
                if size is None:
                    size, index = read_number(content, index)
                value = content[index : index + size]
                index += size
            self._fields.setdefault(key >> 3, []).append(value)

    def every(self, field: int) -> list[Any]:
        """Return all values of a field."""
        return self._fields.get(field, [])

    def only(self, field: int, default: Any = None) -> Any:
        """Return the value of a field, or the default."""
        return self._fields.get(field, [default])[-1]


def read_number(content: bytes, index: int) -> tuple[int, int]:
    """Return the number at an index, 7 bits in each byte, the lowest first, and the next index."""
    value = shift = 0
    while True:
        byte = content[index]
        value |= (byte & 127) << shift
        index, shift = index + 1, shift + 7
        if byte < 128:
            return value, index
