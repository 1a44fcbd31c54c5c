"""Write a tokenizer as other programs read it: SentencePiece models, and vocabularies in JSON."""

import json
from pathlib import Path

from nmt.text.tokenizer import SubwordModel, Tokenizer

MODELS = ("source.spm", "target.spm")
VOCABULARIES = ("vocab.json", "target_vocab.json")


def write_subwords(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the names that `MarianTokenizer` of transformers expects.

    `source.spm` and `target.spm` segment text into pieces; `vocab.json` has the id of each piece of
    both languages. If each language has its own vocabulary, `target_vocab.json` has the target's.
    """
    for name, side in zip(MODELS, tokenizer.sides, strict=True):
        (folder / name).write_bytes(side.sentencepiece)
    for name, side in zip(VOCABULARIES, tokenizer.sides, strict=True):
        if tokenizer.is_joint and name != VOCABULARIES[0]:
            continue
        text = json.dumps(ids_of_pieces(side), ensure_ascii=False, indent=0)
        (folder / name).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def ids_of_pieces(subwords: SubwordModel) -> dict[str, int]:
    """Return the id of each piece; a later piece of the same name has its id in its name.

    An imported model may have a second piece for the beginning of a text. No text becomes it.
    """
    ids: dict[str, int] = {}
    for number in range(len(subwords)):
        piece = subwords.piece(number)
        ids[f"{piece}{number}" if piece in ids else piece] = number
    return ids
