"""Make OPUS-MT models of random weights, as Hugging Face and Marian lay them out."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sentencepiece
import torch

TEXTS = {
    "source": [
        "The old woman reads a letter in the garden.",
        "A young man waits for the train at the station.",
        "We walked along the river until it was dark.",
        "Children play football in front of the school, don't they?",
        "The baker sells bread, cakes and coffee every morning.",
    ],
    "target": [
        "Die alte Frau liest im Garten einen Brief.",
        "Ein junger Mann wartet am Bahnhof auf den Zug.",
        "Wir gingen am Fluss entlang, bis es dunkel war.",
        "Kinder spielen vor der Schule Fußball, nicht wahr?",
        "Der Bäcker verkauft jeden Morgen Brot, Kuchen und Kaffee.",
    ],
}


@dataclass(frozen=True)
class Shape:
    """The architecture of a model; the defaults are small."""

    d_model: int = 16
    d_ff: int = 24
    heads: int = 2
    encoder_layers: int = 2
    decoder_layers: int = 1
    activation: str = "swish"
    separate: bool = False  # a vocabulary for each language
    shared: bool = True  # one matrix of embeddings for both languages
    languages: tuple[str, ...] = ()  # language tokens


@lru_cache
def learned(side: str, kind: str, size: int) -> bytes:
    """Return a SentencePiece model learned from the texts of a side, without padding."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS[side] * 4),
        model_writer=model,
        model_type=kind,
        vocab_size=size,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def pieces_of(model: bytes) -> list[str]:
    """Return the pieces of a SentencePiece model without the special ones."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(each) for each in range(3, len(processor))]


def vocabulary(pieces: Sequence[str], languages: Sequence[str] = ()) -> dict[str, int]:
    """Return a vocabulary in the order of OPUS-MT: the end first, padding last."""
    names = dict.fromkeys(["</s>", "<unk>", *languages, *pieces, "<pad>"])
    return {name: each for each, name in enumerate(names)}


def write_tokenizer(folder: Path, shape: Shape) -> tuple[int, int]:
    """Write the files of a tokenizer; return the sizes of the source's and target's vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    source, target = learned("source", "unigram", 90), learned("target", "bpe", 100)
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    own, theirs = pieces_of(source), pieces_of(target)
    first = vocabulary(own if shape.separate else [*own, *theirs], shape.languages)
    (folder / "vocab.json").write_text(json.dumps(first))
    settings = {"separate_vocabs": shape.separate, "source_lang": "eng", "target_lang": "deu"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if not shape.separate:
        return len(first), len(first)
    second = vocabulary(theirs)
    (folder / "target_vocab.json").write_text(json.dumps(second))
    return len(first), len(second)


def write_folder(
    folder: Path, shape: Shape = Shape(), seed: int = 1, *, pickled: bool = False
) -> Path:
    """Write a model as Hugging Face lays it out, and return its folder."""
    from transformers import MarianConfig, MarianMTModel

    source_size, target_size = write_tokenizer(folder, shape)
    pad = source_size - 1
    config = MarianConfig(
        vocab_size=source_size,
        decoder_vocab_size=target_size,
        share_encoder_decoder_embeddings=shape.shared,
        d_model=shape.d_model,
        encoder_ffn_dim=shape.d_ff,
        decoder_ffn_dim=shape.d_ff,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        activation_function=shape.activation,
        scale_embedding=True,
        max_position_embeddings=64,
        pad_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        decoder_start_token_id=pad,
    )
    torch.manual_seed(seed)
    model = MarianMTModel(config)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.requires_grad and "layer_norm.weight" not in name:
                each.normal_(std=each.shape[-1] ** -0.5)
        model.final_logits_bias.normal_(std=0.5)
    model.save_pretrained(folder)
    if pickled:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder
