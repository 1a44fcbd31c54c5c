"""`nmt import` of files that somebody made to do harm: one sentence, soon, in little memory."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from tests.conftest import Run
from tests.interop.marian_models import write_npz

YAML = "opus.spm-spm.vocab.yml"
ARCHIVE = "model.npz"
SETTINGS = "special:model.yml.npy"
LEVELS = 12  # of lists of nine: 9^12 values
LISTS = "a: &a [x]\n" + "".join(
    f"{chr(98 + each)}: &{chr(98 + each)} [{', '.join([f'*{chr(97 + each)}'] * 9)}]\n"
    for each in range(LEVELS)
)


def header(text: str) -> bytes:
    """Return the start of a NumPy file whose header is a text."""
    return b"\x93NUMPY\x01\0" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def member(name: str, content: bytes) -> Callable[[Path], None]:
    """Return a function that replaces a member of the archive."""

    def change(folder: Path) -> None:
        path = folder / ARCHIVE
        with zipfile.ZipFile(path) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for each, old in members.items():
                archive.writestr(each, content if each == name else old)

    return change


def encrypted(folder: Path) -> None:
    """Set the bit that says that a member is encrypted, wherever it is."""
    content = bytearray((folder / ARCHIVE).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(signature, place + 1)) >= 0:
            content[place + flags] |= 1
    (folder / ARCHIVE).write_bytes(content)


def damaged_compression(folder: Path) -> None:
    """Damage compressed data in the middle of the archive."""
    path = folder / ARCHIVE
    arrays = dict(numpy.load(path))
    numpy.savez_compressed(path, **arrays)
    content = bytearray(path.read_bytes())
    content[800:900] = b"\xff" * 100
    path.write_bytes(content)


def text(name: str, content: str) -> Callable[[Path], None]:
    """Return a function that writes a text file."""

    def change(folder: Path) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    return change


# NumPy would read as much as the header says that it has.
LONG_HEADER = b"\x93NUMPY\x02\0" + (400_000_000).to_bytes(4, "little") + b" " * 20_000
TEXT_HEADER = "{'descr': '|S1000000000', 'fortran_order': False, 'shape': (1,)}"
MARIAN: dict[str, tuple[Callable[[Path], None], str]] = {
    "aliases in the vocabulary": (text(YAML, LISTS), "has an alias of YAML"),
    "aliases in the settings": (text("decoder.yml", f"{LISTS}beam-size: *m\n"), "an alias of YAML"),
    "a tag that does not fit": (text("decoder.yml", "a: !!bool x\n"), "decoder.yml is damaged"),
    "a time that is none": (text("decoder.yml", "a: !!timestamp x\n"), "decoder.yml is damaged"),
    "an id without end": (text(YAML, f"a: {'9' * 5000}\n"), "does not fit the model"),
    "a text of a gigabyte": (member(SETTINGS, header(TEXT_HEADER)), "model.yml is not a text"),
    "a deep header": (member(SETTINGS, header("-" * 8000)), "has a header that is no header"),
    "an open header": (member(SETTINGS, header("(" * 80)), "has a header that is no header"),
    "a long header": (member(SETTINGS, LONG_HEADER), "EOF: reading array header"),
    "encryption": (encrypted, "is encrypted"),
    "damaged compression": (damaged_compression, "damaged"),
}


@pytest.mark.parametrize("name", MARIAN)
def test_hostile_files_of_marian_are_refused(name: str, copied: Path, nmt: Run) -> None:
    change, reason = MARIAN[name]
    write_npz(copied, Path("marian"))
    change(Path("marian"))
    found = nmt("import", "marian", "-o", "new.safetensors", "--languages", "en-de")
    assert (found.code, reason in found.err, found.err.count("\n")) == (1, True, 1), found.err
    assert not Path("new.safetensors").exists()


def test_a_vocabulary_size_without_end_costs_no_memory(copied: Path, nmt: Run) -> None:
    path = copied / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 10**12}))
    found = nmt("import", copied, "-o", "new.safetensors")
    assert (found.code, "need the ids 0 to 999,999,999,999" in found.err) == (1, True), found.err


def test_one_number_is_no_large_tensor(copied: Path, nmt: Run) -> None:
    """A pickle of some bytes can describe a tensor of gigabytes by repeating a number."""
    (copied / "model.safetensors").unlink()
    name = "model.shared.weight"
    torch.save({name: torch.zeros(1).expand(10**6, 10**4)}, copied / "pytorch_model.bin")
    found = nmt("import", copied, "-o", "new.safetensors")
    assert (found.code, f"{name} is incomplete" in found.err) == (1, True), found.err


def test_every_damage_of_a_pickle_is_one_sentence(copied: Path, nmt: Run) -> None:
    (copied / "model.safetensors").unlink()
    file = copied / "pytorch_model.bin"
    torch.save({"a": torch.zeros(3)}, file)
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    for content in (b"\x80\x02.", b"\x80\x02}q\0u.", b"\x80\x02s.", b"", b"\x80\x02e."):
        with zipfile.ZipFile(file, "w") as archive:
            for each, old in members.items():
                archive.writestr(each, content if each.endswith("data.pkl") else old)
        found = nmt("import", copied, "-o", "new.safetensors")
        assert (found.code, found.err.count("\n")) == (1, 1), found.err
