"""Read an OPUS-MT model as Hugging Face's transformers lay it out: a folder with config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import DamagedError, NmtError, shown
from nmt.interop.marian_model import MarianModel, activation_of, search_of
from nmt.interop.marian_names import Sharing
from nmt.interop.marian_vocabulary import END, PADDING, MarianTokenizer, Vocabulary
from nmt.interop.tensor_files import open_tensors
from nmt.system.files import is_present, read_bytes
from nmt.system.json_data import parse_json, parse_object

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that exists is read
SPLIT = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
MODELS = ("source.spm", "target.spm")
MOST_BYTES = 100_000_000  # of a JSON file or a SentencePiece model
EPSILON = 1e-5  # in the normalisation
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
ABSENT = {"scale_embedding": False}  # what an absent setting means, if that is not the value above


@dataclass(frozen=True)
class Config:
    """The settings of config.json that define the network."""

    vocab_size: int
    d_model: int
    encoder_layers: int
    decoder_layers: int
    encoder_attention_heads: int
    decoder_attention_heads: int
    encoder_ffn_dim: int
    decoder_ffn_dim: int
    activation_function: str
    pad_token_id: int
    decoder_start_token_id: int
    eos_token_id: int
    decoder_vocab_size: int | None = None
    share_encoder_decoder_embeddings: bool = True
    tie_word_embeddings: bool = True
    dropout: float = 0.1
    attention_dropout: float = 0.0

    @property
    def target_size(self) -> int:
        """Size of the target's vocabulary."""
        return self.decoder_vocab_size or self.vocab_size


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


def read_folder(folder: Path) -> MarianModel:
    """Return what the files of a folder say about its model; no weight is read.

    Raises NmtError, which names the file, for a missing or damaged file or another network.
    """
    path = folder / CONFIG
    content = read_bytes(path, "the configuration", most=MOST_BYTES)
    check_fixed(parse_object(content, str(path)), path)
    config = parse_json(content, Config, str(path))
    check_config(config, path)
    files = read_config(folder / "tokenizer_config.json", TokenizerConfig)
    vocabulary = read_vocabulary(folder, config, files)
    heads = config.encoder_attention_heads
    sharing = Sharing(config.share_encoder_decoder_embeddings, config.tie_word_embeddings)
    settings = ModelSettings(
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        d_model=config.d_model,
        d_ff=config.encoder_ffn_dim,
        heads=heads,
        d_k=config.d_model // heads,
        d_v=config.d_model // heads,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        activation=activation_of(config.activation_function, "activation_function", path),
        positions="sinusoidal_halves",
        attention_bias=True,
        softmax_bias=True,
        norm_epsilon=EPSILON,
        tied=sharing.tied(is_joint=vocabulary.source == vocabulary.target),
    )
    return MarianModel(
        weights_file(folder),
        settings,
        search_settings(folder, content),
        sharing,
        vocabulary,
        config.decoder_start_token_id,
        (files.source_lang or "", files.target_lang or ""),
        open_tensors,
    )


def read_config(path: Path, kind: type[TokenizerConfig]) -> TokenizerConfig:
    """Return the settings of a file; the defaults if it does not exist."""
    if not is_present(path):
        return kind()
    return parse_json(read_bytes(path, "the configuration", most=MOST_BYTES), kind, str(path))


def check_fixed(found: Mapping[str, object], path: Path) -> None:
    """Raise NmtError for a setting of a network that is not ours."""
    for name, wanted in FIXED.items():
        value = found.get(name, ABSENT.get(name, wanted) if name != "model_type" else None)
        if value != wanted:
            raise NmtError(
                f"{path}: {name}={shown(value)} is not supported; nmt imports OPUS-MT models, which"
                f" have {name}={shown(wanted)}; models of `nmt train` need no import"
            )


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
    for name, size in (("decoder_start_token_id", config.target_size),):
        if not 0 <= getattr(config, name) < size:
            raise DamagedError(
                f"{path}: {name}={getattr(config, name)} is not one of the {size:,} tokens"
            )


def read_vocabulary(folder: Path, config: Config, files: TokenizerConfig) -> MarianTokenizer:
    """Return the SentencePiece models and vocabularies; raises NmtError if they do not fit."""
    models = [
        read_bytes(folder / name, "the SentencePiece model", most=MOST_BYTES) for name in MODELS
    ]
    source = read_pieces(folder / "vocab.json", config.vocab_size)
    target = source
    if files.separate_vocabs:
        target = read_pieces(folder / "target_vocab.json", config.target_size)
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
    if source.ids.get(PADDING) != config.pad_token_id:
        raise DamagedError(
            f"{source.origin} has {PADDING} at {source.ids.get(PADDING)}, but {CONFIG} has"
            f" pad_token_id={config.pad_token_id}"
        )
    for side in (source, target):
        if side.ids[END] != config.eos_token_id:
            raise DamagedError(
                f"{side.origin} has {END} at {side.ids[END]}, but {CONFIG} has"
                f" eos_token_id={config.eos_token_id}"
            )
    return MarianTokenizer(models, source, target)


def read_pieces(path: Path, size: int) -> Vocabulary:
    """Return a vocabulary of so many pieces; raises NmtError unless it is one."""
    content = read_bytes(path, "the vocabulary", most=MOST_BYTES)
    found = Vocabulary(parse_json(content, dict[str, int], str(path)), str(path))
    found.check(size)
    return found


def weights_file(folder: Path) -> Path:
    """Return the file of the weights; raises NmtError if there is none, or if it is split."""
    for name in WEIGHTS:
        if is_present(folder / name):
            return folder / name
    for name in SPLIT:
        if is_present(folder / name):
            raise NmtError(
                f"{folder / name}: the weights are split into several files, which is not"
                " supported; save the model as one file"
            )
    raise NmtError(
        f"{folder} has no weights: neither {' nor '.join(WEIGHTS)}; download the model again"
    )


def search_settings(folder: Path, config: bytes) -> DecodeSettings:
    """Return the search that the model's files ask for; config: the content of config.json."""
    path = folder / "generation_config.json"
    found = parse_json(config, Generation, str(folder / CONFIG))
    if is_present(path):
        content = read_bytes(path, "the configuration", most=MOST_BYTES)
        newer = parse_json(content, Generation, str(path))
        found = Generation(
            newer.num_beams or found.num_beams,
            found.length_penalty if newer.length_penalty is None else newer.length_penalty,
        )
    exponent = found.length_penalty
    return search_of(found.num_beams, 1.0 if exponent is None else exponent)  # 1.0: their default
