"""`nmt fetch opus-mt-en-de` from a local server: names, hashes, mirrors and bad answers."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from nmt.interop.opus import hub as opus_hub
from nmt.interop.opus.hub import COMMON, PINS, Pin, model_name
from tests.commands.conftest import leftovers
from tests.commands.downloads import Server, refused, sha256
from tests.conftest import CommandResult, Run

SMALL = ("config.json", "source.spm", "target.spm", "vocab.json")
OPTIONAL = ("tokenizer_config.json", "target_vocab.json", "generation_config.json", "README.md")
SAFE, PICKLE = "model.safetensors", "pytorch_model.bin"


@dataclass
class Hub:
    """A hub on this machine with one model."""

    server: Server
    nmt: Run
    folder: Path  # the data folder
    name: str = "opus-mt-xx-yy"

    def path(self, file: str, revision: str = "main") -> str:
        return f"/Helsinki-NLP/{self.name}/resolve/{revision}/{file}"

    def serve(self, *files: str, revision: str = "main") -> None:
        for file in files:
            content = f"{file} of {revision}\n".encode()
            self.server.served[self.path(file, revision)] = content

    def fetch(self, *options: str, name: str = "") -> CommandResult:
        return self.nmt(
            "fetch", name or self.name, "--data-dir", self.folder, "--hub", self.server.address,
            *options,
        )  # fmt: skip

    def files(self) -> set[str]:
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}

    def asked(self) -> list[str]:
        """Return the names of the files that were asked for since the last call."""
        names = [path.rpartition("/")[2] for path in self.server.requests]
        self.server.requests.clear()
        return names


@pytest.fixture
def hub(nmt: Run, server: Server, tmp_path: Path) -> Hub:
    made = Hub(server, nmt, tmp_path / "data")
    made.serve(*SMALL, *OPTIONAL, SAFE)
    return made


def test_a_model_is_downloaded_into_a_folder_of_its_name(hub: Hub) -> None:
    result = hub.fetch(name=f"Helsinki-NLP/{hub.name}")
    assert (result.code, result.out) == (0, "")
    model_folder = hub.folder / hub.name
    assert result.err.endswith(f"next:\n  nmt import {model_folder} -o {hub.name}.safetensors\n")
    assert hub.files() == {f"{hub.name}/{f}" for f in (*SMALL, *OPTIONAL, SAFE)} | {"SHA256SUMS"}
    assert (model_folder / SAFE).read_text() == f"{SAFE} of main\n"
    recorded = (hub.folder / "SHA256SUMS").read_text()
    assert f"{sha256((model_folder / SAFE).read_bytes())}  {hub.name}/{SAFE}\n" in recorded
    assert PICKLE not in hub.asked()
    again = hub.fetch()
    assert (again.code, hub.asked()) == (0, [])
    assert again.err.count("already downloaded, SHA-256 correct") == len((*SMALL, SAFE))


def test_a_pickle_is_downloaded_only_where_there_are_no_safetensors(hub: Hub) -> None:
    del hub.server.served[hub.path(SAFE)], hub.server.served[hub.path("README.md")]
    hub.serve(PICKLE)
    assert hub.fetch().code == 0
    assert hub.asked()[-2:] == [SAFE, PICKLE]
    hub.serve(SAFE)
    assert (hub.fetch().code, hub.asked()) == (0, [])  # neither of the two that were absent


def test_an_interrupted_download_goes_on(hub: Hub) -> None:
    content = hub.server.served.pop(hub.path("vocab.json"))
    refused(hub.fetch(), "vocab.json: 404")
    assert not leftovers(hub.folder)
    hub.asked()
    hub.server.served[hub.path("vocab.json")] = content
    assert hub.fetch().code == 0
    assert hub.asked() == ["vocab.json", *OPTIONAL, SAFE]


def test_weights_must_have_the_pinned_hash(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file with the hash that is known is asked for."""
    small = {f"{hub.name}/{file}" for file in SMALL} | {"SHA256SUMS"}
    monkeypatch.setitem(PINS, hub.name, Pin("abc", PICKLE, sha256(b"other")))
    hub.serve(*SMALL, SAFE, PICKLE, revision="abc")
    refused(hub.fetch(), "is not the file that was expected", sha256(b"other"), "--revision")
    assert hub.files() == small
    digest = sha256(f"{PICKLE} of abc\n".encode())
    monkeypatch.setitem(PINS, hub.name, Pin("abc", PICKLE, digest))
    result = hub.fetch()
    assert result.code == 0
    assert f"{hub.folder / hub.name / PICKLE}: downloaded, SHA-256 correct" in result.err
    assert SAFE not in hub.asked()


def test_another_revision_goes_into_a_folder_of_its_own(hub: Hub) -> None:
    hub.serve(*SMALL, PICKLE, revision="refs%2Fpr%2F3")
    assert hub.fetch().code == 0
    assert hub.fetch("--revision", "refs/pr/3").code == 0
    model_folder = hub.folder / f"{hub.name}@refs-pr-3"
    assert (model_folder / PICKLE).read_text() == f"{PICKLE} of refs%2Fpr%2F3\n"
    refused(hub.fetch("--revision", "v9"), "the hub has no public model", "or no revision v9")
    assert not (hub.folder / f"{hub.name}@v9").exists()


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (401, ("no public model opus-mt-en-sx", "did you mean 'opus-mt-en-")),
        (404, ("no public model opus-mt-en-sx", "did you mean 'opus-mt-en-")),
        (503, ("config.json: 503", "try again later")),
    ],
)
def test_a_model_that_the_hub_lacks_is_not_one_that_is_busy(
    hub: Hub, status: int, facts: tuple[str, ...]
) -> None:
    hub.name = "opus-mt-en-sx"
    hub.server.refused[hub.path("config.json")] = status
    refused(hub.fetch(), *facts)
    assert not hub.folder.exists() or not list(hub.folder.iterdir())


def test_a_recipe_of_the_same_name_wins(hub: Hub) -> None:
    url = f"{hub.server.address}{hub.path('config.json')}"
    Path(hub.name).write_text(f'[[data.downloads]]\nurl = "{url}"\nto = "own"\n')
    result = hub.nmt("fetch", hub.name, "--data-dir", hub.folder)
    assert (result.code, hub.files()) == (0, {"own", "SHA256SUMS"})


def test_the_environment_names_a_mirror(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.server.address}/")
    assert hub.nmt("fetch", hub.name, "--data-dir", hub.folder).code == 0
    assert (hub.folder / hub.name / SAFE).is_file()
    assert hub.nmt("fetch", "pocket").code == 0  # a recipe does not ask it
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # which refuses connections
    result = hub.nmt("fetch", hub.name, "--data-dir", "other")
    refused(result, "nmt: cannot reach http://127.0.0.1:1/Helsinki-NLP/", "--hub")


def test_a_hash_that_the_server_states_is_checked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header comes with the redirect to the store of large files, as the hub sends it."""
    store, right, wrong = "/store/weights", sha256(b"weights\n"), sha256(b"weightz\n")
    hub.server.redirects[hub.path(SAFE)] = store
    hub.server.served[store] = b"weights\n"
    hub.server.stated[hub.path(SAFE)] = wrong
    refused(hub.fetch(), "arrived damaged", wrong, "try again")
    assert f"{hub.name}/{SAFE}" not in hub.files()
    hub.asked()
    monkeypatch.setitem(PINS, hub.name, Pin("main", SAFE, right))
    refused(hub.fetch(), right, wrong, "is not the file that was expected")
    assert "weights" not in hub.asked()  # it is noticed before the weights are downloaded
    monkeypatch.delitem(PINS, hub.name)
    hub.server.stated[hub.path(SAFE)] = right
    result = hub.fetch()
    assert result.code == 0
    assert f"SHA-256 {right} is what the server states" in result.err


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "unannounced"])
def test_an_oversized_file_is_refused(
    hub: Hub, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opus_hub, "LARGEST_FILE", 100_000)
    hub.server.served[hub.path("vocab.json")] = bytes(200_000)
    hub.server.chunked = chunked
    refused(hub.fetch(), "vocab.json is not the file that was expected", "more than 100,000 bytes")
    assert not leftovers(hub.folder)
    assert f"{hub.name}/vocab.json" not in hub.files()


def test_pins_and_common_names_have_the_form_of_the_hub() -> None:
    assert {*map(model_name, (*COMMON, *PINS))} == {*COMMON, *PINS}
    assert len(COMMON) == len({*COMMON})
    for name, pin in PINS.items():
        assert re.fullmatch("[0-9a-f]{40}", pin.revision), name
        assert bool(pin.sha256) == bool(pin.weights)
        assert re.fullmatch("([0-9a-f]{64})?", pin.sha256), name
    assert len({pin.revision for pin in PINS.values()}) == len(PINS)
