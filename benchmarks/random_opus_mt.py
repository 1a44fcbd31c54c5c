"""Write a small OPUS-MT model with random weights, in the layout of the model hub.

    python benchmarks/random_opus_mt.py data/opus-mt-random

It stands in for a downloaded model where there is no network. The vocabulary is learned from the
embedded corpus, or from --source and --target: a SentencePiece model for each language (unigram, as
most OPUS-MT models have) and one vocabulary of all pieces. The weights are drawn at random, so that
a training can start from them. The architecture is MarianMT's, with fewer and smaller layers.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy
import safetensors.numpy
import sentencepiece

from nmt.system.atomic import atomic_folder
from nmt.system.files import shipped
from nmt.text.reading.lines import read_segments

Array = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]
END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"
SPECIAL = 3  # pieces at the start of a SentencePiece model: unknown, begin and end
POSITIONS = 512  # the longest segment that transformers' implementation accepts


def learn(path: Path, size: int) -> sentencepiece.SentencePieceProcessor:
    """Return a SentencePiece model of a text, with about `size` pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(read_segments(path)),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def vocabulary(*models: sentencepiece.SentencePieceProcessor) -> dict[str, int]:
    """Return the ids of all pieces: END first, PADDING last, as OPUS-MT orders them."""
    pieces = [model.id_to_piece(i) for model in models for i in range(SPECIAL, len(model))]
    return {piece: i for i, piece in enumerate(dict.fromkeys([END, UNKNOWN, *pieces, PADDING]))}


class Weights:
    """Random weights by the names of transformers' MarianMT."""

    def __init__(self, seed: int) -> None:
        """Draw weights of this seed."""
        self._draw = numpy.random.default_rng(seed)
        self.found: dict[str, Array] = {}

    def linear(self, name: str, outputs: int, inputs: int) -> None:
        """Add a linear map, drawn as Glorot and Bengio (2010) draw it, and a bias of zeros."""
        limit = (6 / (outputs + inputs)) ** 0.5
        weight = self._draw.uniform(-limit, limit, (outputs, inputs))
        self.found[f"{name}.weight"] = weight.astype(numpy.float32)
        self.found[f"{name}.bias"] = numpy.zeros(outputs, numpy.float32)

    def norm(self, name: str, width: int) -> None:
        """Add a normalisation that changes nothing yet."""
        self.found[f"{name}.weight"] = numpy.ones(width, numpy.float32)
        self.found[f"{name}.bias"] = numpy.zeros(width, numpy.float32)

    def embeddings(self, tokens: int, width: int) -> None:
        """Add the shared embeddings, zeros for padding, and the bias of the logits."""
        shared = self._draw.normal(0, width**-0.5, (tokens, width)).astype(numpy.float32)
        shared[-1] = 0  # the decoder starts from padding
        self.found["model.shared.weight"] = shared
        self.found["final_logits_bias"] = numpy.zeros((1, tokens), numpy.float32)

    def layers(self, side: str, count: int, width: int, inner: int) -> None:
        """Add the layers of the encoder or the decoder."""
        attentions = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
        for number in range(count):
            layer = f"model.{side}.layers.{number}"
            for attention in attentions:
                for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    self.linear(f"{layer}.{attention}.{projection}", width, width)
                self.norm(f"{layer}.{attention}_layer_norm", width)
            self.linear(f"{layer}.fc1", inner, width)
            self.linear(f"{layer}.fc2", width, inner)
            self.norm(f"{layer}.final_layer_norm", width)


def configurations(
    tokens: int, layers: int, width: int, heads: int
) -> Iterator[tuple[str, object]]:
    """Yield the JSON files of the model, by name."""
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (
            ("layers", layers), ("attention_heads", heads), ("ffn_dim", 4 * width)
        )
    }  # fmt: skip
    padding = tokens - 1
    ids = {
        "eos_token_id": 0,
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "forced_eos_token_id": 0,
    }
    network = {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "is_encoder_decoder": True,
        "d_model": width,
        "vocab_size": tokens,
        "decoder_vocab_size": tokens,
        "max_position_embeddings": POSITIONS,
        "activation_function": "swish",
        "scale_embedding": True,
        "static_position_embeddings": True,
        "share_encoder_decoder_embeddings": True,
        "dropout": 0.1,
    }
    yield "config.json", network | sides | ids
    search = {"num_beams": 4, "max_length": POSITIONS, "bad_words_ids": [[padding]]}
    yield "generation_config.json", search | ids
    yield "tokenizer_config.json", {"source_lang": "en", "target_lang": "de"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--source", type=click.Path(path_type=Path, exists=True), help="Text to learn from.")
@click.option("--target", type=click.Path(path_type=Path, exists=True), help="Its translation.")
@click.option("--vocab-size", default=1000, show_default=True, help="Pieces of each language.")
@click.option("--layers", default=2, show_default=True, help="Layers of encoder and of decoder.")
@click.option("--d-model", default=128, show_default=True, help="Width; four times it inside.")
@click.option("--heads", default=4, show_default=True, help="Heads of an attention.")
@click.option("--seed", default=1, show_default=True, help="Another seed draws other weights.")
def main(
    folder: Path,
    source: Path | None,
    target: Path | None,
    vocab_size: int,
    layers: int,
    d_model: int,
    heads: int,
    seed: int,
) -> None:
    """Write a small OPUS-MT model with random weights into FOLDER, which must be new or empty."""
    pocket = shipped("data") / "pocket"
    models = [
        learn(text, vocab_size)
        for text in (source or pocket / "train.en.gz", target or pocket / "train.de.gz")
    ]
    ids = vocabulary(*models)
    weights = Weights(seed)
    weights.embeddings(len(ids), d_model)
    for side in ("encoder", "decoder"):
        weights.layers(side, layers, d_model, 4 * d_model)
    with atomic_folder(folder) as partial:
        for name, model in zip(("source.spm", "target.spm"), models, strict=True):
            (partial / name).write_bytes(model.serialized_model_proto())
        files = {**dict(configurations(len(ids), layers, d_model, heads)), "vocab.json": ids}
        for name, settings in files.items():
            text = json.dumps(settings, ensure_ascii=False, indent=2)
            (partial / name).write_text(text + "\n", encoding="utf-8")
        content = safetensors.numpy.save(weights.found, {"format": "pt"})
        (partial / "model.safetensors").write_bytes(content)
    count = sum(each.size for each in weights.found.values())
    click.echo(f"{folder}: {len(ids):,} tokens, {count:,} random parameters", err=True)


if __name__ == "__main__":
    main()
