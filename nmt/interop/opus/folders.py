"""Read what the files of an OPUS-MT model say, in both layouts; no weight is read.

Hugging Face's transformers write a folder with config.json; Marian writes an archive .npz, which
has the settings too, with decoder.yml and vocabularies in YAML. SentencePiece models have the same
names in both.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nmt.config import DecodeSettings
from nmt.errors import DamagedError, NmtError, shorten_reason, shown
from nmt.interop.network import SHARED, SOFTMAX
from nmt.interop.opus.hub import WEIGHTS
from nmt.interop.opus.model import (
    ACTIVATIONS,
    END,
    PADDING,
    SENTENCEPIECE_FILES,
    VOCABULARY_FILES,
    Config,
    OpusModel,
    Vocabulary,
)
from nmt.interop.weight_files import ARCHIVE, open_tensors, read_settings
from nmt.system.files import check_regular, entries, is_present, read_bytes, read_text
from nmt.system.json_data import convert, parse_json, parse_object

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
GENERATION_CONFIG = "generation_config.json"
SPLIT = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
MOST_BYTES = 100_000_000  # of a text file or a SentencePiece model
EPSILON, MARIAN_EPSILON = 1e-5, 1e-6  # in the normalisation
ZEROS = -1  # Marian's decoder starts from an embedding of zeros
# Settings that change the network in a way that ours cannot, with the value that we support.
FIXED = {
    "model_type": "marian",
    "scale_embedding": True,
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
    "is_encoder_decoder": True,
}
# What an absent setting means, if that is not the value above.
ABSENT = {"model_type": None, "scale_embedding": False}
MARIAN_FIXED = {
    "type": "transformer",
    "transformer-decoder-autoreg": "self-attention",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
    "transformer-train-position-embeddings": False,
    "transformer-no-projection": False,
    "transformer-no-affine": False,
    "transformer-no-bias": False,
    "transformer-pool": False,
    "output-omit-bias": False,
    "input-types": [],
    "transformer-ffn-depth": 2,
    "transformer-tied-layers": [],
    "lemma-dim-emb": 0,
    "ulr-dim-emb": 0,
    "right-left": False,
}
# The numbers of layers in a decoder's feed-forward sub-layer, if that is not the encoder's.
SAME = {
    "transformer-decoder-dim-ffn": "transformer-dim-ffn",
    "transformer-decoder-ffn-depth": "transformer-ffn-depth",
}
# What PyYAML raises for values that do not fit their tags, such as `!!bool x`.
MISREAD = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
LONGEST_ID = 12  # digits
VOCABULARY = re.compile(r"vocab.*\.ya?ml$")


@dataclass(frozen=True)
class TokenizerConfig:
    """The settings of tokenizer_config.json that we need."""

    separate_vocabs: bool = False
    source_lang: str | None = None
    target_lang: str | None = None


@dataclass(frozen=True)
class Generation:
    """The search's settings, in generation_config.json or, of old models, in config.json."""

    num_beams: int | None = None
    length_penalty: float | None = None


@dataclass(frozen=True)
class Decoder:
    """The settings of decoder.yml that we need."""

    beam_size: int | None = None
    normalize: float = 0.0
    vocabs: tuple[str, ...] = ()


Settings = TypeVar("Settings", TokenizerConfig, Generation)


def read_opus_mt(path: Path) -> OpusModel:
    """Return what the files at a path say: of a folder, or beside an archive of Marian.

    Raises NmtError, which names the file, for a missing or damaged file or another network.
    """
    if not is_present(path):
        raise NmtError(f"{path} does not exist; name the folder of a model")
    files = entries(path) if path.is_dir() else [path]
    for file in files:
        if file.exists() and not file.is_dir():
            check_regular(file, "the file")  # reading a pipe could wait for ever
    if is_present(path / CONFIG):
        return read_huggingface(path)
    archives = [file for file in files if file.suffix == ARCHIVE]
    if len(archives) > 1:
        raise NmtError(f"{path} holds {len(archives)} .npz files; name one of them: {archives[0]}")
    if archives:
        return read_marian(archives[0])
    raise NmtError(
        f"{path} is not a model that nmt can import; name a folder with {CONFIG}, or one with the"
        " .npz file of Marian"
    )


def read_huggingface(folder: Path) -> OpusModel:
    """Return what the files of a folder with config.json say."""
    path = folder / CONFIG
    content = read_bytes(path, "the configuration", most=MOST_BYTES)
    found = parse_object(content, str(path))
    for name, wanted in FIXED.items():
        value = found.get(name, ABSENT.get(name, wanted))
        if value != wanted:
            raise unsupported(
                path,
                name,
                value,
                f"OPUS-MT models, which have {name}={shown(wanted)}; models of `nmt train` need no"
                " import",
            )
    config = parse_json(content, Config, str(path))
    check_config(config, path)
    files = read_optional(folder / TOKENIZER_CONFIG, TokenizerConfig)
    subwords = read_sentencepiece(folder)
    source, target = read_vocabularies(folder, config, files)
    check_activation(config.activation_function, "activation_function", path)
    weights = find_weights(folder)
    old = parse_json(content, Generation, str(path))
    new = read_optional(folder / GENERATION_CONFIG, Generation)
    penalty = old.length_penalty if new.length_penalty is None else new.length_penalty
    return OpusModel(
        weights,
        config,
        EPSILON,
        search_settings(new.num_beams or old.num_beams, 1.0 if penalty is None else penalty),
        subwords,
        source,
        target,
        (files.source_lang or "", files.target_lang or ""),
    )


def read_optional(path: Path, kind: type[Settings]) -> Settings:
    """Return the settings in a JSON file; the defaults if it does not exist."""
    if not is_present(path):
        return kind()
    return parse_json(read_bytes(path, "the configuration", most=MOST_BYTES), kind, str(path))


def read_sentencepiece(folder: Path) -> list[bytes]:
    """Return the SentencePiece models of the source and of the target."""
    return [
        read_bytes(folder / name, "the SentencePiece model", most=MOST_BYTES)
        for name in SENTENCEPIECE_FILES
    ]


def unsupported(file: Path, name: str, value: object, imported: str) -> NmtError:
    """Return the error for a setting that our network cannot have; `imported`: what can be."""
    return NmtError(f"{file}: {name}={shown(value)} is not supported; nmt imports {imported}")


def check_activation(value: object, name: str, file: Path) -> None:
    """Raise NmtError for an activation that we do not have; `name` is that of its setting."""
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise unsupported(file, name, value, f"models with one of: {', '.join(ACTIVATIONS)}")


def search_settings(beam_size: int | None, exponent: float) -> DecodeSettings:
    """Return the search of a model that divides scores by |Y|^exponent.

    Our penalty of section 6.1, ((5 + |Y|) / 6)^alpha, gets the same exponent: it grows as fast with
    the length, but is weaker for short outputs.
    """
    beam_size = beam_size or DecodeSettings.beam_size
    return DecodeSettings(beam_size=beam_size, length_penalty=exponent)


def check_config(config: Config, path: Path) -> None:
    """Raise NmtError for sizes that do not fit together or that our network cannot have."""
    for name in ("attention_heads", "ffn_dim"):
        encoder, decoder = (getattr(config, f"{side}_{name}") for side in ("encoder", "decoder"))
        if encoder != decoder:
            raise NmtError(
                f"{path}: encoder_{name}={encoder} and decoder_{name}={decoder} differ, which is"
                " not supported; nmt imports models with one number for both"
            )
    heads = config.encoder_attention_heads
    if heads < 1 or config.d_model % heads:
        raise DamagedError(f"{path}: d_model={config.d_model} is not a multiple of {heads} heads")
    start = config.decoder_start_token_id
    if not 0 <= start < config.target_size:
        raise DamagedError(
            f"{path}: decoder_start_token_id={start} is not one of the {config.target_size:,}"
            " tokens"
        )


def read_vocabularies(
    folder: Path, config: Config, files: TokenizerConfig
) -> tuple[Vocabulary, Vocabulary]:
    """Return the vocabularies of a folder with config.json; raises NmtError if they do not fit."""
    first, second = (folder / name for name in VOCABULARY_FILES)
    source = target = read_vocabulary(first, config.vocab_size)
    if files.separate_vocabs:
        target = read_vocabulary(second, config.target_size)
        if config.share_encoder_decoder_embeddings:
            raise DamagedError(
                f"{folder}: tokenizer_config.json has separate_vocabs, but config.json has"
                " share_encoder_decoder_embeddings; two vocabularies cannot share a matrix"
            )
    elif config.target_size != config.vocab_size:
        raise DamagedError(
            f"{folder / CONFIG}: decoder_vocab_size={config.target_size} differs from"
            f" vocab_size={config.vocab_size}, but tokenizer_config.json has no separate_vocabs"
        )
    for side, name, key in (
        (source, PADDING, "pad_token_id"),
        (source, END, "eos_token_id"),
        (target, END, "eos_token_id"),
    ):
        if side.ids.get(name) != getattr(config, key):
            raise DamagedError(
                f"{side.origin} has {name} at {side.ids.get(name)}, but {CONFIG} has"
                f" {key}={getattr(config, key)}"
            )
    return source, target


def find_weights(folder: Path) -> Path:
    """Return the file of the weights; raises NmtError if there is none, or if it is split."""
    for name in (*WEIGHTS, *SPLIT):
        if is_present(folder / name):
            if name in WEIGHTS:
                return folder / name
            raise NmtError(
                f"{folder / name}: the weights are split into several files, which is not"
                " supported; save the model as one file"
            )
    raise NmtError(
        f"{folder} has no weights: neither {' nor '.join(WEIGHTS)}; download the model again"
    )


def read_marian(file: Path) -> OpusModel:
    """Return what a Marian archive's settings and the files beside it say."""
    folder = file.parent
    found = parse_yaml(read_settings(file), f"the settings in {file}")
    check_marian(found, file)
    decoder = read_decoder(folder / "decoder.yml")
    heads, width = (positive(found, name, file) for name in ("transformer-heads", "dim-emb"))
    if width % heads:
        raise DamagedError(f"{file}: dim-emb={width} is not a multiple of {heads} heads")
    with open_tensors(file) as tensors:
        names = tensors.shapes
    subwords = read_sentencepiece(folder)
    source, target = read_yaml_vocabularies(folder, decoder)
    activation = found.get("transformer-ffn-activation", "swish")
    if activation == "gelu":
        raise NmtError(
            f"{file}: transformer-ffn-activation=gelu is not supported, because Marian computes it"
            " as x * sigmoid(1.702 x); nmt imports models of Marian with relu or swish"
        )
    sizes = ("enc-depth", "dec-depth", "transformer-dim-ffn")
    encoder_layers, decoder_layers, inner = (positive(found, name, file) for name in sizes)
    config = Config(
        d_model=width,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        activation_function=activation,
        vocab_size=len(source.ids),
        decoder_vocab_size=len(target.ids),
        pad_token_id=ZEROS,
        decoder_start_token_id=ZEROS,
        eos_token_id=source.ids[END],
        share_encoder_decoder_embeddings=SHARED in names,
        tie_word_embeddings=SOFTMAX not in names,
    )
    check_activation(activation, "transformer-ffn-activation", file)
    search = search_settings(decoder.beam_size, decoder.normalize)
    return OpusModel(file, config, MARIAN_EPSILON, search, subwords, source, target)


def check_marian(found: Mapping[str, Any], file: Path) -> None:
    """Raise NmtError for a setting of a network that is not ours."""
    for name, wanted in MARIAN_FIXED.items():
        value = found.get(name, wanted)
        if value != wanted:
            raise unsupported(file, name, value, f"models with {name}={shown(wanted)}")
    for name, other in SAME.items():
        if found.get(name, 0) not in (0, found.get(other, 0)):
            raise unsupported(file, name, found[name], f"models with {name}=the same {other}")


def positive(found: Mapping[str, Any], name: str, file: Path) -> int:
    """Return a positive whole number of a model's settings; raises DamagedError for others."""
    value = found.get(name)
    if type(value) is not int or value < 1:
        raise DamagedError(f"{file}: {name} is {shown(value)} in its settings, not a number of it")
    return value


def read_decoder(path: Path) -> Decoder:
    """Return the settings of decoder.yml; the defaults if it does not exist."""
    if not is_present(path):
        return Decoder()
    found = parse_yaml(read_text(path, "the settings", most=MOST_BYTES), str(path))
    known = {str(name).replace("-", "_"): value for name, value in found.items()}
    return convert(known, Decoder, str(path))


def read_yaml_vocabularies(folder: Path, decoder: Decoder) -> tuple[Vocabulary, Vocabulary]:
    """Return the vocabularies beside a Marian archive; raises NmtError unless there are 1 or 2."""
    paths = [folder / Path(name).name for name in decoder.vocabs]
    paths = paths or [path for path in entries(folder) if VOCABULARY.search(path.name)]
    if not 1 <= len({*paths}) <= 2:
        raise NmtError(
            f"{folder} has {len(paths)} vocabularies (such as vocab.yml); name one, or those of"
            " source and target in this order, as `vocabs` in decoder.yml"
        )
    source = read_vocabulary(paths[0])
    return source, source if paths[-1] == paths[0] else read_vocabulary(paths[-1])


def read_vocabulary(path: Path, size: int | None = None) -> Vocabulary:
    """Return a vocabulary; raises NmtError unless it has the ids of `size` rows.

    size: None: the file is YAML, where all keys are texts, and has any size. Else it is JSON.
    """
    if size is None:
        text = read_text(path, "the vocabulary", most=MOST_BYTES)
        found = parse_yaml(text, str(path), as_text=True)
        size = len(found)
        numbers = {
            piece: int(number)
            for piece, number in found.items()
            if isinstance(number, str) and number.isdecimal() and len(number) <= LONGEST_ID
        }
    else:
        content = read_bytes(path, "the vocabulary", most=MOST_BYTES)
        numbers = parse_json(content, dict[str, int], str(path))
    vocabulary = Vocabulary(numbers, str(path))
    vocabulary.check(size)
    return vocabulary


def parse_yaml(text: str, origin: str, *, as_text: bool = False) -> dict[str, Any]:
    """Return a YAML table; as_text: all values and keys are texts, even "no" and "1".

    Only plain values are made. Raises NmtError if the text is no table or has aliases, whose
    content may be without end, or if the package that reads YAML is missing.
    """
    try:
        import yaml
    except ImportError as error:
        raise NmtError(
            "the files of Marian are YAML, which needs another package:"
            " pip install 'attention-nmt[marian]'"
        ) from error
    loader = yaml.CBaseLoader if as_text else yaml.CSafeLoader
    try:
        if "*" in text and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.CBaseLoader)
        ):
            raise DamagedError(f"{origin} has an alias of YAML, which Marian does not write")
        found = yaml.load(text, loader)  # noqa: S506 (both loaders are safe)
    except (yaml.YAMLError, *MISREAD) as error:
        raise DamagedError(f"{origin} is damaged: {shorten_reason(error)}") from error
    if not isinstance(found, dict):
        raise DamagedError(f"{origin} is not a table of settings")
    return found
