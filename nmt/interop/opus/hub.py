"""Download OPUS-MT models by name from a model hub, with its layout of files.

A model `opus-mt-en-de` is the repository `Helsinki-NLP/opus-mt-en-de`. Its files go into a folder
of its name in the data folder, where `nmt import` reads them. Importing this file is fast enough
for the shell's completion.
"""

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from nmt.config import Download
from nmt.errors import NmtError, suggestion
from nmt.system.files import is_present
from nmt.system.log import note

OWNER = "Helsinki-NLP"
NAME = re.compile(r"opus-mt(-[A-Za-z0-9_]+){2,}")
LONGEST_NAME = 96  # characters; a hub allows no more
REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
LATEST = "main"

# Small files first: a model that does not exist is known before anything is written.
NEEDED = ("config.json", "source.spm", "target.spm", "vocab.json")
OPTIONAL = (
    "tokenizer_config.json",
    "target_vocab.json",  # if the languages have a vocabulary each
    "generation_config.json",
    "README.md",
)
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that exists
LARGEST_FILE, LARGEST_WEIGHTS = 1 << 26, 1 << 32  # bytes
MODELS = tomllib.loads(Path(__file__).with_name("models.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Pin:
    """The revision of a model that is downloaded, and the SHA-256 of its weights if it is known."""

    revision: str
    weights: str = ""  # file name
    sha256: str = ""


PINS = {name: Pin(**pin) for name, pin in MODELS["pins"].items()}
COMMON = tuple(f"opus-mt-{pair}" for pair in MODELS["common"].split())


def model_name(text: str) -> str | None:
    """Return the name of an OPUS-MT model, without the owner if that was given; None if it is none.

    Whether the hub has a model of this name is not known before it is asked.
    """
    name = text.removeprefix(f"{OWNER}/")
    return name if len(name) <= LONGEST_NAME and NAME.fullmatch(name) else None


def fetch_model(name: str, folder: Path, hub: str, revision: str | None = None) -> Path:
    """Download the files of a model that are not there, check the others; return their folder.

    folder: the data folder. hub: the address of the hub or of a mirror. revision: a commit, a
    branch or a tag, whose files go into a folder of their own; by default the pinned one, else the
    latest. Raises NmtError for a file that is missing, wrong or in the way.
    """
    from nmt.text.reading.download import AbsentError, Advice, fetch  # slow to import

    pin = PINS.get(name, Pin(LATEST))
    if revision is not None and revision != pin.revision:
        pin = Pin(revision)
    subfolder = name if revision is None else f"{name}@{revision.replace('/', '-')}"
    address = f"{hub.rstrip('/')}/{OWNER}/{name}/resolve/{quote(pin.revision, safe='')}"

    def get(file: str) -> None:
        """Download a file, or check the one that is there; AbsentError if the hub has none."""
        digest = pin.sha256 if file == pin.weights else ""
        advice = Advice(
            address="name another revision with --revision or another server with --hub",
            digest="name another revision with --revision",
            network="check the network, name a mirror with --hub",
            most=LARGEST_WEIGHTS if file in WEIGHTS else LARGEST_FILE,
        )
        fetch(Download(f"{address}/{file}", f"{subfolder}/{file}", digest), folder, note, advice)

    try:
        get(NEEDED[0])
    except AbsentError as error:
        raise absent_model(name, pin, str(error)) from error
    finally:
        with suppress(OSError):
            (folder / subfolder).rmdir()  # if it is empty
    for file in NEEDED[1:]:
        get(file)
    weights = (pin.weights,) if pin.weights else WEIGHTS
    there = [file for file in weights if is_present(folder / subfolder / file)]
    if not there:  # with the weights there, a file that the model lacks is not asked for again
        for file in OPTIONAL:
            with suppress(AbsentError):
                get(file)
    *others, last = there[:1] or weights
    for file in others:
        with suppress(AbsentError):
            get(file)
            return folder / subfolder
    get(last)
    return folder / subfolder


def absent_model(name: str, pin: Pin, reason: str) -> NmtError:
    """Return the error for a model that the hub does not have in a revision.

    reason: the failure, up to its first semicolon.
    """
    others = [other for other in COMMON if other != name]
    fix = suggestion(name, others)
    if pin.revision != LATEST:
        fix = f", or no revision {pin.revision}; name another with --revision"
    return NmtError(f"{reason.partition(';')[0]}: the hub has no public model {name}{fix}")
