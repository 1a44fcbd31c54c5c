"""Read an OPUS-MT model as Marian writes it: .npz, decoder.yml, vocabularies and SentencePiece."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.config import ModelSettings
from nmt.errors import DamagedError, NmtError, reason_of, shown
from nmt.interop.marian_model import MarianModel, activation_of, search_of
from nmt.interop.marian_names import SHARED, SOFTMAX, Sharing
from nmt.interop.marian_npz import open_npz, read_settings
from nmt.interop.marian_vocabulary import MarianTokenizer, Vocabulary
from nmt.system.files import entries, is_present, read_bytes, read_text
from nmt.system.json_data import convert

MODELS = ("source.spm", "target.spm")
MOST_BYTES = 100_000_000  # of a text file or a SentencePiece model
EPSILON = 1e-6  # in the normalisation
ZEROS = -1  # the decoder starts from an embedding of zeros
# Settings that change the network in a way that ours cannot, with the value that we support.
FIXED = {
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
class Decoder:
    """The settings of decoder.yml that we need."""

    beam_size: int | None = None
    normalize: float = 0.0
    vocabs: tuple[str, ...] = ()


def find_npz(path: Path) -> Path | None:
    """Return the weights at a path: the file itself, or the only .npz file of a folder.

    Returns None if there is none; raises NmtError for several.
    """
    if path.suffix == ".npz":
        return path
    found = [each for each in entries(path) if each.suffix == ".npz"]
    if len(found) > 1:
        raise NmtError(f"{path} holds {len(found)} .npz files; name one of them: {found[0]}")
    return found[0] if found else None


def read_folder(file: Path) -> MarianModel:
    """Return what a model's settings and the files beside its weights say; no weight is read.

    Raises NmtError, which names the file, for a missing or damaged file or another network.
    """
    folder = file.parent
    found = parse_yaml(read_settings(file), f"the settings in {file}")
    check_fixed(found, file)
    decoder = read_decoder(folder / "decoder.yml")
    heads, width = (positive(found, name, file) for name in ("transformer-heads", "dim-emb"))
    if width % heads:
        raise DamagedError(f"{file}: dim-emb={width} is not a multiple of {heads} heads")
    with open_npz(file) as tensors:
        names = tensors.shapes
    sharing = Sharing(SHARED in names, SOFTMAX not in names)
    vocabulary = read_vocabularies(folder, decoder)
    activation = found.get("transformer-ffn-activation", "swish")
    if activation == "gelu":
        raise NmtError(
            f"{file}: transformer-ffn-activation=gelu is not supported, because Marian computes it"
            " as x * sigmoid(1.702 x); nmt imports models of Marian with relu or swish"
        )
    settings = ModelSettings(
        encoder_layers=positive(found, "enc-depth", file),
        decoder_layers=positive(found, "dec-depth", file),
        d_model=width,
        d_ff=positive(found, "transformer-dim-ffn", file),
        heads=heads,
        d_k=width // heads,
        d_v=width // heads,
        activation=activation_of(activation, "transformer-ffn-activation", file),
        positions="sinusoidal_halves",
        attention_bias=True,
        softmax_bias=True,
        norm_epsilon=EPSILON,
        tied=sharing.tied(is_joint=vocabulary.source == vocabulary.target),
    )
    search = search_of(decoder.beam_size, decoder.normalize)
    return MarianModel(file, settings, search, sharing, vocabulary, ZEROS, ("", ""), open_npz)


def check_fixed(found: dict[str, Any], file: Path) -> None:
    """Raise NmtError for a setting of a network that is not ours."""
    for name, wanted in FIXED.items():
        value = found.get(name, wanted)
        if value != wanted:
            raise unsupported(file, name, value, shown(wanted))
    for name, other in SAME.items():
        if found.get(name, 0) not in (0, found.get(other, 0)):
            raise unsupported(file, name, found[name], f"the same {other}")


def unsupported(file: Path, name: str, value: object, wanted: str) -> NmtError:
    """Return the error for a setting that our network cannot have."""
    return NmtError(
        f"{file}: {name}={shown(value)} is not supported; nmt imports models with {name}={wanted}"
    )


def positive(found: dict[str, Any], name: str, file: Path) -> int:
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
    known = {
        "beam_size": found.get("beam-size"),
        "normalize": found.get("normalize", 0.0),
        "vocabs": found.get("vocabs", ()),
    }
    return convert(known, Decoder, str(path))


def read_vocabularies(folder: Path, decoder: Decoder) -> MarianTokenizer:
    """Return the SentencePiece models and vocabularies beside a model's weights."""
    models = [
        read_bytes(folder / name, "the SentencePiece model", most=MOST_BYTES) for name in MODELS
    ]
    paths = [folder / Path(name).name for name in decoder.vocabs]
    paths = paths or [each for each in entries(folder) if VOCABULARY.search(each.name)]
    if not 1 <= len({*paths}) <= 2:
        raise NmtError(
            f"{folder} has {len(paths)} vocabularies (such as vocab.yml); name one, or those of"
            " source and target in this order, as `vocabs` in decoder.yml"
        )
    source = read_pieces(paths[0])
    target = source if paths[-1] == paths[0] else read_pieces(paths[-1])
    return MarianTokenizer(models, source, target)


def read_pieces(path: Path) -> Vocabulary:
    """Return a vocabulary, in which all keys are texts; raises NmtError unless it is one."""
    found = parse_yaml(read_text(path, "the vocabulary", most=MOST_BYTES), str(path), as_text=True)
    numbers = {
        piece: int(each)
        for piece, each in found.items()
        if isinstance(each, str) and each.isdecimal() and len(each) <= LONGEST_ID
    }
    vocabulary = Vocabulary(numbers, str(path))
    vocabulary.check(len(found))
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
            "the files of Marian are YAML, which needs another package; in the checkout: pip"
            " install '.[marian]'"
        ) from error
    loader = yaml.CBaseLoader if as_text else yaml.CSafeLoader
    try:
        if "*" in text and any(
            isinstance(each, yaml.AliasEvent) for each in yaml.parse(text, yaml.CBaseLoader)
        ):
            raise DamagedError(f"{origin} has an alias of YAML, which Marian does not write")
        found = yaml.load(text, loader)  # noqa: S506 (both loaders are safe)
    except (yaml.YAMLError, *MISREAD) as error:
        raise DamagedError(f"{origin} is damaged: {reason_of(error)}") from error
    if not isinstance(found, dict):
        raise DamagedError(f"{origin} is not a table of settings")
    return found
