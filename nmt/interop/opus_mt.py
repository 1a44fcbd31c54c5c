"""Download OPUS-MT models by name from a model hub, with its layout of files.

A model `opus-mt-en-de` is the repository `Helsinki-NLP/opus-mt-en-de`. Its files go into a folder
of its name in the data folder, where `nmt import` reads them.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from nmt.config import Download
from nmt.errors import NmtError, suggestion
from nmt.interop.opus_names import COMMON, OWNER
from nmt.system.files import is_present
from nmt.system.log import Notify
from nmt.text.download import AbsentError, Advice, fetch

HUB = "https://huggingface.co"
REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
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


@dataclass(frozen=True)
class Pin:
    """The revision of a model that is downloaded, and the SHA-256 of its weights if it is known."""

    revision: str
    weights: str = ""  # file name
    sha256: str = ""


# The hub's revisions and hashes as public repositories state them, read on 2026-11-27:
# [1] Mitroshenkov87/voxprint-audiobook-builder, infra/text_models.py
# [2] Generalze/Videofy-live, docs/certification/opus-models.md
# [3] several repositories agree on the revision; none states the hash of the weights
BIN = "pytorch_model.bin"
PINS = {
    "opus-mt-en-de": Pin(  # [1]
        "6183067f769a302e3861815543b9f312c71b0ca4",
        BIN,
        "da068344b1b0c20e6d4a8f77f48e06646b90d679029006b18579e68977206bdd",
    ),
    "opus-mt-de-en": Pin(  # [1]
        "1a922f3b32a8e809e17a47d4b32142d8105924e5",
        BIN,
        "e743c3070f61f477cb62fe95ef2c9be2e77f3e488cb6b8030ff8a19e8295c87d",
    ),
    "opus-mt-en-ru": Pin(  # [1]
        "bb09c99d180016eac6819df3dae68edb1690fdee",
        BIN,
        "d15fa58c6bc3efd3629c1b6b86d9aa6d15d2751a4620aa4cdd7eed7b5cbe583b",
    ),
    "opus-mt-ru-en": Pin(  # [1]
        "fbd6dc73284f95536648512cc21d57f19191961a",
        BIN,
        "535450eb5613f3cc912f9ca3e54cfef6c14d201b319c24a88faf776a65538b5d",
    ),
    "opus-mt-en-fr": Pin(  # [2]
        "dd7f6540a7a48a7f4db59e5c0b9c42c8eea67f18",
        BIN,
        "cc1de10b49342ad2f33e06bc4474ddd6eaca278474903c4a8636ce15680d64de",
    ),
    "opus-mt-fr-en": Pin(  # [2]
        "c4aed37b318c763fd177aa449b44e3b783cc6c02",
        "model.safetensors",
        "6e3837f34b903802c3d0d670362b997cee6e87584a1108eb3fa89e4625e4424a",
    ),
    "opus-mt-en-es": Pin(  # [2]
        "5bc4493d463cf000c1f0b50f8d56886a392ed4ab",
        BIN,
        "befce0f620e8e63f83bbb7f0818eb51d541cba28057a7cc14b00466d85c4994c",
    ),
    "opus-mt-es-en": Pin(  # [2]
        "c96e2c5399ebfae4fc43d9669556b9afa74bb69d",
        BIN,
        "586a4e69e0804459ac7c176a5dc76852652100d9af1ee0db796de719899a5deb",
    ),
    "opus-mt-en-ROMANCE": Pin(  # [2]
        "f8f3a28e8b6272d0ccc0290b832f699e154ae431",
        BIN,
        "e64d119b5cb4d2baad0e54176c36f9a9cf3190bd2876484a2638dadcc8b1855a",
    ),
    "opus-mt-ROMANCE-en": Pin(  # [2]
        "e9ca9975e3972afd80732f08ce01d3a1339f47f8",
        BIN,
        "9d77bbbd43a214959e027ffc8713fbe31f8609d14827fba645f1361ca20a6f3a",
    ),
    "opus-mt-en-zh": Pin("408d9bc410a388e1d9aef112a2daba955b945255"),  # [3]
    "opus-mt-zh-en": Pin("cf109095479db38d6df799875e34039d4938aaa6"),  # [3]
    "opus-mt-en-vi": Pin("989c9fb9ec63987901022baf0182dcec3e149be6"),  # [3]
}


def is_revision(text: str) -> bool:
    """Return whether a text can name a revision: a commit, a branch or a tag."""
    return REVISION.fullmatch(text) is not None and ".." not in text


def fetch_model(
    name: str, folder: Path, notify: Notify, hub: str = HUB, revision: str | None = None
) -> Path:
    """Download the files of a model that are not there, check the others; return their folder.

    folder: the data folder. hub: the address of the hub or of a mirror. revision: a commit, a
    branch or a tag, whose files go into a folder of their own; by default the pinned one, else the
    latest. Raises NmtError for a file that is missing, wrong or in the way.
    """
    pin = PINS.get(name, Pin(LATEST))
    if revision is not None and revision != pin.revision:
        pin = Pin(revision)
    place = name if revision is None else f"{name}@{revision.replace('/', '-')}"
    files = Files(f"{hub.rstrip('/')}/{OWNER}/{name}", place, folder, pin, notify)
    try:
        files.get(NEEDED[0])
    except AbsentError as error:
        raise absent_model(name, pin, str(error)) from error
    finally:
        with suppress(OSError):
            (folder / place).rmdir()  # if it is empty
    files.get_others()
    return folder / place


@dataclass(frozen=True)
class Files:
    """The files of one revision of a model."""

    address: str  # of the model at the hub
    place: str  # its folder in the data folder
    folder: Path  # the data folder
    pin: Pin
    notify: Notify

    def has(self, file: str) -> bool:
        """Return whether a file is in the folder."""
        return is_present(self.folder / self.place / file)

    def get(self, file: str) -> None:
        """Download a file, or check the one that is there; AbsentError if the hub has none."""
        download = Download(
            url=f"{self.address}/resolve/{quote(self.pin.revision, safe='')}/{file}",
            to=f"{self.place}/{file}",
            sha256=self.pin.sha256 if file == self.pin.weights else "",
        )
        most = LARGEST_WEIGHTS if file in WEIGHTS else LARGEST_FILE
        advice = Advice(
            address="name another revision with --revision or another server with --hub",
            digest="name another revision with --revision",
            network="check the network, name a mirror with --hub",
            most=most,
        )
        fetch(download, self.folder, self.notify, advice)

    def get_others(self) -> None:
        """Get all files but the first; the weights last, and the files that a model may lack."""
        for file in NEEDED[1:]:
            self.get(file)
        weights = (self.pin.weights,) if self.pin.weights else WEIGHTS
        # With the weights there, a file that the model lacks is not asked for again.
        if not any(map(self.has, weights)):
            for file in OPTIONAL:
                with suppress(AbsentError):
                    self.get(file)
        self.get_first(weights)

    def get_first(self, files: Sequence[str]) -> None:
        """Get the first of several files that is there, or else that the hub has."""
        there = list(filter(self.has, files))
        *others, last = there[:1] or files
        for file in others:
            with suppress(AbsentError):
                return self.get(file)
        return self.get(last)


def absent_model(name: str, pin: Pin, reason: str) -> NmtError:
    """Return the error for a model that the hub does not have in a revision.

    reason: the failure, up to its first semicolon.
    """
    others = [each for each in COMMON if each != name]
    fix = suggestion(name, others)
    if pin.revision != LATEST:
        fix = f", or no revision {pin.revision}; name another with --revision"
    return NmtError(f"{reason.partition(';')[0]}: the hub has no public model {name}{fix}")
