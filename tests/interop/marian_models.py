"""Make OPUS-MT models of random weights, as Hugging Face and Marian lay them out."""

import io
import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import sentencepiece
import torch
from torch import Tensor

from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK, SubwordModel

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
    tied: bool = True  # one matrix for the target's embeddings and the softmax
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


def list_pieces(model: bytes) -> list[str]:
    """Return the pieces of a SentencePiece model without the special ones."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(number) for number in range(3, len(processor))]


def vocabulary(pieces: Sequence[str], languages: Sequence[str] = ()) -> dict[str, int]:
    """Return a vocabulary in the order of OPUS-MT: the end first, padding last."""
    names = dict.fromkeys(["</s>", "<unk>", *languages, *pieces, "<pad>"])
    return {name: number for number, name in enumerate(names)}


def write_tokenizer(folder: Path, shape: Shape) -> tuple[int, int]:
    """Write the files of a tokenizer; return the sizes of the source's and target's vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    source, target = learned("source", "unigram", 90), learned("target", "bpe", 100)
    (folder / "source.spm").write_bytes(source)
    (folder / "target.spm").write_bytes(target)
    own, theirs = list_pieces(source), list_pieces(target)
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
    import transformers
    from transformers import MarianConfig, MarianMTModel

    source_size, target_size = write_tokenizer(folder, shape)
    config = MarianConfig(
        vocab_size=source_size,
        decoder_vocab_size=target_size,
        share_encoder_decoder_embeddings=shape.shared,
        tie_word_embeddings=shape.tied,
        d_model=shape.d_model,
        encoder_ffn_dim=shape.d_ff,
        decoder_ffn_dim=shape.d_ff,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        activation_function=shape.activation,
        scale_embedding=True,
        max_position_embeddings=128,
        pad_token_id=source_size - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        decoder_start_token_id=target_size - 1,
    )
    torch.manual_seed(seed)
    model = MarianMTModel(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and "layer_norm.weight" not in name:
                weight.normal_(std=weight.shape[-1] ** -0.5)
        model.final_logits_bias.normal_(std=0.5)
        model.final_logits_bias[0, 0] = 2.0  # of the end, so that outputs are not long
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    if pickled:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def write_npz(folder: Path, other: Path) -> Path:
    """Write the model of a Hugging Face folder as Marian writes it; return the archive."""
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    kept = [number for name, number in vocabulary.items() if name != "<pad>"]
    arrays = {
        "Wemb": tensors["model.shared.weight"][kept],
        "decoder_ff_logit_out_b": tensors["final_logits_bias"][:, kept],
    }
    for name, tensor in tensors.items():
        if ".layers." in name:
            arrays[marian_name(name)] = tensor.T if tensor.ndim == 2 else tensor[None]
    settings = marian_settings(config)
    text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
    arrays["special:model.yml"] = numpy.frombuffer(f"{text}\0".encode(), numpy.int8)
    other.mkdir()
    numpy.savez(other / "model.npz", **arrays)  # type: ignore[arg-type] # of numpy
    for name in ("source.spm", "target.spm"):
        shutil.copy(folder / name, other)
    with (other / "opus.spm-spm.vocab.yml").open("w", encoding="utf-8") as stream:
        for name in [name for name in vocabulary if name != "<pad>"]:
            stream.write(f"{json.dumps(name)}: {vocabulary[name]}\n")
    return other / "model.npz"


def marian_name(name: str) -> str:
    _, side, _, number, *rest = name.split(".")
    layer = f"{side}_l{int(number) + 1}"
    kind = {"weight": "W", "bias": "b"}[rest[-1]]
    norm = {"weight": "ln_scale", "bias": "ln_bias"}[rest[-1]]
    part = rest[0]
    if part in ("fc1", "fc2"):
        return f"{layer}_ffn_{kind}{part[2]}"
    if part == "final_layer_norm":
        return f"{layer}_ffn_ffn_{norm}"
    attention = "context" if part.startswith("encoder_attn") else "self"
    if part.endswith("layer_norm"):
        return f"{layer}_{attention}_Wo_{norm}"
    return f"{layer}_{attention}_{kind}{rest[1][0]}"


def marian_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in Marian's archive of a model with a configuration."""
    return {
        "type": "transformer",
        "dim-emb": config["d_model"],
        "dim-vocabs": [config["vocab_size"] - 1] * 2,
        "enc-depth": config["encoder_layers"],
        "dec-depth": config["decoder_layers"],
        "transformer-heads": config["encoder_attention_heads"],
        "transformer-dim-ffn": config["encoder_ffn_dim"],
        "transformer-ffn-activation": config["activation_function"],
        "transformer-ffn-depth": 2,
        "transformer-decoder-autoreg": "self-attention",
        "transformer-preprocess": "",
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-train-position-embeddings": False,
        "tied-embeddings-all": True,
        "right-left": False,
    }


class Original:
    """A Hugging Face model, which is given the ids of an imported one."""

    def __init__(self, folder: Path, imported: TrainedModel) -> None:
        from transformers import MarianMTModel

        self.model: Any = MarianMTModel.from_pretrained(folder)
        self.model.train(False)
        self.source = read_ids(folder / "vocab.json", imported.tokenizer.source)
        other = folder / "target_vocab.json"
        path = other if other.exists() else folder / "vocab.json"
        self.target = read_ids(path, imported.tokenizer.target)
        self.imported = imported

    def logit_difference(self, source: Sequence[int], target: Sequence[int]) -> float:
        """Return the largest difference of the logits of all tokens after each target token."""
        ours = self.imported.network(torch.tensor([[*source, EOS]]), torch.tensor([[BOS, *target]]))
        start = self.model.config.decoder_start_token_id
        read = torch.tensor([[self.source[token] for token in (*source, EOS)]])
        written = torch.tensor([[start, *(self.target[token] for token in target)]])
        theirs = self.model(input_ids=read, decoder_input_ids=written).logits
        own = [*self.target]
        difference = ours[..., own] - theirs[..., [self.target[token] for token in own]]
        return float(difference.detach().abs().max())

    def search(self, source: Sequence[int], beam_size: int, most: int) -> list[int]:
        """Return the best output in our ids, without EOS; it has at most so many tokens."""
        settings = self.model.config
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            found: Tensor = self.model.generate(
                torch.tensor([[self.source[token] for token in (*source, EOS)]]),
                num_beams=beam_size,
                length_penalty=0.0,
                early_stopping=False,
                do_sample=False,
                max_new_tokens=most,
                bad_words_ids=[[self.target[PAD]], [self.target[UNK]]],
            )
        back = {theirs: ours for ours, theirs in self.target.items()}
        assert int(found[0, 0]) == settings.decoder_start_token_id
        output = [back[token] for token in found[0, 1:].tolist()]
        return output[: output.index(EOS)]


def read_ids(path: Path, subwords: SubwordModel) -> dict[int, int]:
    """Return the ids in a vocabulary file by ours; BOS has none."""
    names = json.loads(path.read_text())
    return {
        number: names[subwords.piece(number)] for number in range(len(subwords)) if number != BOS
    }
