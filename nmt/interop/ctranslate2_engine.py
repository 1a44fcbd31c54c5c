"""Load a model into CTranslate2: a folder that `nmt export` wrote, or any model of this program."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from nmt.config import DecodeSettings
from nmt.decoding.translator.searcher import EngineModel, Searcher
from nmt.decoding.translator.translation import OutputOptions
from nmt.errors import DamagedError, NmtError, UsageError, reason_of
from nmt.interop.ctranslate2_export import RECIPE, read_tokenizer, require_ctranslate2, write
from nmt.interop.position_tables import POSITIONS, position_count
from nmt.recipe.files import parse_recipe
from nmt.runs.model_file import find_model
from nmt.runs.outputs import FILE_LIST, FolderManifest, read_manifest
from nmt.runs.trained_model import TrainedModel, load_model_file
from nmt.system.files import is_present, read_text, sha256_of
from nmt.system.threads import core_count, same_core_count

FORMAT = "ctranslate2"  # by the manifest
WEIGHTS = "model.bin"
EDITABLE = (RECIPE, "README.md")  # files of a folder that its user may change
# The types that compute, by `decode.precision`; auto is that of the folder.
COMPUTE_TYPES = {"auto": "default", "float32": "float32", "bf16": "bfloat16", "int8": "int8"}


# Opens the folder to load, for these settings.
Open = Callable[[DecodeSettings], AbstractContextManager[Path]]


@dataclass(frozen=True)
class CTranslate2Model(EngineModel):
    """A model for CTranslate2; the weights are loaded when a searcher is made."""

    engine: ClassVar[str] = "CTranslate2"
    open: Open | None = None  # never None
    # CTranslate2's translators, by the type that computes and the number of positions.
    loaded: dict[tuple[str, int], Any] = field(default_factory=dict, compare=False)

    def searcher(
        self, settings: DecodeSettings, options: OutputOptions, candidates: int, *, has_terms: bool
    ) -> Searcher:
        """Return a searcher; arguments and errors are those of `EngineModel`.

        Raises NmtError for a precision that the processor lacks.
        """
        from nmt.interop.ctranslate2_search import CTranslate2Search

        check_settings(settings, has_terms=has_terms)
        is_gpu = self.device.startswith("cuda")
        threads = 1 if is_gpu else core_count()
        return CTranslate2Search(
            self._translator(settings, threads), self, settings, options, candidates, threads
        )

    def _translator(self, settings: DecodeSettings, threads: int) -> Any:
        """Return CTranslate2's translator; one is kept for each precision."""
        import ctranslate2

        device, _, number = self.device.partition(":")
        compute_type = COMPUTE_TYPES[settings.precision]
        present = ctranslate2.get_supported_compute_types(device, int(number or 0))
        if compute_type != "default" and compute_type not in present:
            raise NmtError(
                f"CTranslate2 cannot compute with decode.precision={settings.precision} on"
                f" {self.device}; set it to auto or float32"
            )
        key = compute_type, position_count(settings)
        if key not in self.loaded:
            assert self.open is not None  # noqa: S101 (for the type checker)
            with self.open(settings) as folder, same_core_count():
                try:
                    self.loaded[key] = ctranslate2.Translator(
                        str(folder),
                        device,
                        device_index=int(number or 0),
                        compute_type=compute_type,
                        inter_threads=threads,
                        intra_threads=1,
                    )
                except (RuntimeError, ValueError) as error:
                    raise NmtError(
                        f"CTranslate2 cannot load {self.path}: {reason_of(error)}"
                    ) from error
        return self.loaded[key]


def check_settings(settings: DecodeSettings, *, has_terms: bool) -> None:
    """Raise UsageError for settings that CTranslate2 does not support."""
    if settings.method == "sample":
        raise UsageError(
            "CTranslate2 does not draw nmt's samples (--sample, decode.method=sample); leave them"
            " out, or use --engine nmt"
        )
    if has_terms:
        raise UsageError(
            "CTranslate2 cannot place the terms of a glossary (--glossary); leave it out, or use"
            " --engine nmt"
        )


def load_ctranslate2(paths: Sequence[Path], device: str) -> TrainedModel:
    """Return a model for CTranslate2; its weights are loaded when a search is made.

    Args:
        paths: a folder of `nmt export --to ctranslate2`, or a run folder or model file, which is
            exported into a temporary folder.
        device: its name, such as "cuda:1".

    Raises:
        NmtError: for a model that cannot be read, without the package, or for a device that
            CTranslate2 lacks.
        UsageError: for several models.
    """
    if len(paths) > 1:
        raise UsageError(
            "CTranslate2 runs one model, not an ensemble; name one --model, or use --engine nmt"
        )
    require_ctranslate2()
    check_device(device)
    (path,) = paths
    if is_present(path / FILE_LIST) or is_present(path / WEIGHTS):
        return of_folder(path, device)
    model = load_model_file(find_model(path), device)
    absolute = path.absolute()  # the weights are read later, perhaps in another working folder

    def opened(settings: DecodeSettings) -> AbstractContextManager[Path]:
        return exported(absolute, settings)

    return CTranslate2Model({}, model.tokenizer, model.recipe, model.path, device, open=opened)


def of_folder(folder: Path, device: str) -> CTranslate2Model:
    """Return the model of a folder that `nmt export` wrote; raises NmtError for another folder."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.details.get("format") != FORMAT:
        raise NmtError(
            f"{folder} is not a folder of `nmt export --to ctranslate2`; name one, or a model file"
            " or a run folder (--model)"
        )
    path = folder / RECIPE
    text = read_text(path, "the recipe", "export the model again with `nmt export`")
    recipe = parse_recipe(text, folder.name, str(path))
    # The recipe may have been edited since. Older folders do not say.
    stated = manifest.details.get(POSITIONS, "")
    room = int(stated) if stated.isdecimal() else position_count(recipe.decode)
    absolute = folder.absolute()  # the weights are read later, perhaps in another working folder

    def opened(settings: DecodeSettings) -> AbstractContextManager[Path]:
        if position_count(settings) > room and recipe.model.positions.startswith("sinusoidal"):
            raise NmtError(
                f"{folder} has {room:,} positions, too few for decode.max_segment_tokens"
                f"={settings.max_segment_tokens} and decode.max_extra_tokens"
                f"={settings.max_extra_tokens}; lower them, or name the model file (--model)"
            )
        check_unchanged(absolute, manifest)
        return nullcontext(absolute)

    return CTranslate2Model(
        {}, read_tokenizer(folder), recipe, folder / WEIGHTS, device, open=opened
    )


def check_unchanged(folder: Path, manifest: FolderManifest) -> None:
    """Raise DamagedError unless CTranslate2's files are those that `nmt export` wrote.

    It has no checks of its own: a damaged weight or another vocabulary would give other outputs.
    The recipe may be edited.
    """
    for name, digest in manifest.files.items():
        path = folder / Path(name).name
        if path.name not in EDITABLE and sha256_of(path) != digest:
            raise DamagedError(
                f"{path} was changed after `nmt export` wrote it; export the model again"
            )


@contextmanager
def exported(path: Path, settings: DecodeSettings) -> Iterator[Path]:
    """Export a model for these settings into a temporary folder, which is deleted at the end."""
    model = load_model_file(find_model(path), "cpu")
    model = replace(model, recipe=replace(model.recipe, decode=settings))
    with tempfile.TemporaryDirectory(prefix="nmt-ctranslate2-") as name:
        write(model, Path(name), "")
        yield Path(name)


def check_device(device: str) -> None:
    """Raise UsageError for a device that CTranslate2 cannot use."""
    import ctranslate2

    kind, _, number = device.partition(":")
    count = {"cpu": 1, "cuda": ctranslate2.get_cuda_device_count()}.get(kind, 0)
    if int(number or 0) >= count:
        raise UsageError(f"CTranslate2 cannot use the device {device}; add --device cpu")
