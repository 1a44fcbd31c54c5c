"""Translate with CTranslate2: a folder that `nmt export` wrote, or any model of this program.

Scores and limits have the same meaning as in our own search. CTranslate2's beam search differs from
ours in four ways. This is how each difference is handled:

- It divides a log-probability by length^p; we divide by GNMT's ((5 + length) / 6)^alpha. We choose
  a p that is close, ask for as many outputs as the beam is wide, and rank them by our formula.
- It ends when patience * beam outputs are finished. With patience 2, almost all results equal those
  of `decode.stopping=safe`; patience 1 is `beam_finished`.
- It has one maximum length for a batch. If an output reaches the maximum length of its own part,
  this part is searched again alone.
- It may choose special tokens, such as the unknown one. If it does, the part is searched again
  without them. They are not forbidden from the start, because in CTranslate2 this changes the
  probabilities of all other tokens.

Scores come from log-probabilities of the model, up to rounding. Where a limit has changed those of
the search, the outputs are scored once more.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy

from nmt.config import DecodeSettings
from nmt.decoding.models.alignment import best_positions, find_token_words
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.mbr import make_chooser
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.load import device_settings, written_language
from nmt.decoding.translator.searcher import EngineModel, Found, Searcher, diverged, with_positions
from nmt.decoding.translator.segments import SubSegment, output_limit
from nmt.decoding.translator.translation import OutputOptions
from nmt.errors import DamagedError, NmtError, UsageError, shorten_reason
from nmt.interop.ctranslate2_export import (
    POSITIONS,
    RECIPE,
    position_count,
    read_tokenizer,
    require_ctranslate2,
    write,
)
from nmt.interop.opus.model import pieces_by_id
from nmt.recipe.files import parse_recipe
from nmt.runs.outputs import FILE_LIST, FolderManifest, read_manifest
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.files import compute_sha256, is_present, read_text
from nmt.system.pools import ThreadPool
from nmt.system.threads import core_count, same_core_count

FORMAT = "ctranslate2"  # by the manifest
WEIGHTS = "model.bin"
EDITABLE = (RECIPE, "README.md")  # files of a folder that its user may change
# The types that compute, by `decode.precision`; auto is that of the folder.
COMPUTE_TYPES = {"auto": "default", "float32": "float32", "bf16": "bfloat16", "int8": "int8"}
# GNMT's penalty grows as length^(alpha * length / (5 + length)) does at this length.
TYPICAL_LENGTH = 15
# With no penalty at all, CTranslate2 ends as soon as its best hypothesis is finished.
SMALLEST_PENALTY = 1e-9
PATIENCE = {"safe": 2.0, "beam_finished": 1.0}  # of `decode.stopping`


@dataclass(frozen=True)
class CTranslate2Model(EngineModel):
    """A model for CTranslate2; the weights are loaded when a searcher is made."""

    engine: ClassVar[str] = "CTranslate2"
    absolute_path: Path = Path()  # weights are read later, perhaps in another working folder
    manifest: FolderManifest | None = None  # that of an exported folder; None: a model of nmt
    # CTranslate2's translators, by the type that computes and the number of positions.
    loaded: dict[tuple[str, int], Any] = field(default_factory=dict, compare=False)

    def searcher(
        self, settings: DecodeSettings, options: OutputOptions, candidates: int, *, has_terms: bool
    ) -> Searcher:
        """Return a searcher; arguments and errors are those of `EngineModel`.

        Raises NmtError for a precision that the processor lacks.
        """
        if settings.method == "sample":
            raise UsageError(
                "CTranslate2 does not draw nmt's samples (--sample, decode.method=sample); leave"
                " them out, or use --engine nmt"
            )
        if has_terms:
            raise UsageError(
                "CTranslate2 cannot place the terms of a glossary (--glossary); leave it out, or"
                " use --engine nmt"
            )
        threads = 1 if self.device.startswith("cuda") else core_count()
        translator = self._translator(settings, threads)
        return CTranslate2Search(translator, self, settings, options, candidates, threads)

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
            with self._folder(settings) as folder, same_core_count():
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
                        f"CTranslate2 cannot load {self.path}: {shorten_reason(error)}"
                    ) from error
        return self.loaded[key]

    @contextmanager
    def _folder(self, settings: DecodeSettings) -> Iterator[Path]:
        """Return the folder to load; a model of nmt is exported into one that is deleted."""
        if self.manifest is not None:
            check_folder(self, self.manifest, settings)
            yield self.absolute_path
            return
        model = load_model(self.absolute_path, "cpu")
        model = replace(model, recipe=replace(model.recipe, decode=settings))
        with tempfile.TemporaryDirectory(prefix="nmt-ctranslate2-") as name:
            write(model, Path(name), "")
            yield Path(name)


def check_folder(
    model: CTranslate2Model, manifest: FolderManifest, settings: DecodeSettings
) -> None:
    """Raise NmtError unless a folder has enough positions, and the files that `nmt export` wrote.

    CTranslate2 has no checks of its own: a damaged weight or another vocabulary would give other
    outputs. The recipe may be edited.
    """
    stated = manifest.details.get(POSITIONS, "")  # older folders do not say
    room = int(stated) if stated.isdecimal() else position_count(model.recipe.decode)
    is_limited = model.recipe.model.positions.startswith("sinusoidal")
    if is_limited and position_count(settings) > room:
        raise NmtError(
            f"{model.path.parent} has {room:,} positions, too few for decode.max_segment_tokens"
            f"={settings.max_segment_tokens} and decode.max_extra_tokens"
            f"={settings.max_extra_tokens}; lower them, or name the model file (--model)"
        )
    for name, digest in manifest.files.items():
        path = model.absolute_path / Path(name).name
        if path.name not in EDITABLE and compute_sha256(path) != digest:
            raise DamagedError(
                f"{path} was changed after `nmt export` wrote it; export the model again"
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
    if not (is_present(path / FILE_LIST) or is_present(path / WEIGHTS)):
        own = load_model(path, device)
        return CTranslate2Model(
            {}, own.tokenizer, own.recipe, own.path, device, absolute_path=own.path.absolute()
        )
    manifest = read_manifest(path)
    if manifest is None or manifest.details.get("format") != FORMAT:
        raise NmtError(
            f"{path} is not a folder of `nmt export --to ctranslate2`; name one, or a model file"
            " or a run folder (--model)"
        )
    file = path / RECIPE
    text = read_text(file, "the recipe", "export the model again with `nmt export`")
    recipe = parse_recipe(text, path.name, str(file))
    tokenizer, folder = read_tokenizer(path), path.absolute()
    return CTranslate2Model(
        {}, tokenizer, recipe, path / WEIGHTS, device, absolute_path=folder, manifest=manifest
    )


def check_device(device: str) -> None:
    """Raise UsageError for a device that CTranslate2 cannot use."""
    import ctranslate2

    kind, _, number = device.partition(":")
    count = {"cpu": 1, "cuda": ctranslate2.get_cuda_device_count()}.get(kind, 0)
    if int(number or 0) >= count:
        raise UsageError(f"CTranslate2 cannot use the device {device}; add --device cpu")


class CTranslate2Search(Searcher):
    """Searches batches of parts with CTranslate2."""

    def __init__(
        self,
        translator: Any,
        model: TrainedModel,
        settings: DecodeSettings,
        options: OutputOptions,
        candidates: int,
        threads: int,
    ) -> None:
        """Store the translator and how to search.

        Args:
            translator: CTranslate2's, with the model that it has loaded.
            model: has the tokenizer and the recipe.
            settings: how to search.
            options: what a translation should have.
            candidates: outputs to find for each part.
            threads: batches that are searched at the same time.
        """
        self.settings = device_settings(settings, model.device, candidates)
        self._pool = ThreadPool(threads)
        self._translator = translator
        self._subwords = model.tokenizer.target
        # CTranslate2 takes pieces, not ids.
        self._source, self._target = map(pieces_by_id, model.tokenizer.sides)
        self._ids = {piece: number for number, piece in enumerate(self._target)}
        special = special_ids(model.tokenizer)
        self._never = {token for token in special.never if token < len(self._target)}
        self._options = options
        self._candidates = candidates
        self._step = -1 if model.recipe.model.is_right_to_left else 1
        language = written_language(settings, model.recipe)
        self._chooser = make_chooser(self.settings, self._subwords, language, options.n_best)

    def make_pool(self) -> ThreadPool:
        """Return the pool of CTranslate2's threads."""
        return self._pool

    def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
        """Return the hypotheses of each part of a batch, with all that is asked for.

        Raises NmtError if the model's outputs are not numbers.
        """
        limits = [output_limit(len(part), settings) for part in parts]
        found = self._find(parts, settings, max(limits))
        for index, (part, limit) in enumerate(zip(parts, limits, strict=True)):
            if any(
                # An output may be cut off, or has a token that is no text.
                len(hypothesis.ids) >= limit - 1 or not self._never.isdisjoint(hypothesis.ids)
                for hypothesis in found[index]
            ):
                found[index] = self._find_alone(part, settings, limit)
        # A limit raises the probabilities of the tokens that are left; those of a prefix are 1.
        if settings.min_length or settings.no_repeat_ngram or any(part.prefix for part in parts):
            self._score(parts, found)
        if not all(found) or any(
            math.isnan(hypothesis.log_prob) for row in found for hypothesis in row
        ):
            raise diverged(1)
        found = [
            sorted(row, key=lambda hypothesis: -hypothesis.score)[: self._candidates]
            for row in found
        ]
        if self._options.token_scores:
            self._score(parts, found, keeps_tokens=True)
        if self._step < 0:
            found = [[hypothesis.backwards() for hypothesis in row] for row in found]
        if self._chooser is not None:
            languages = [part.language for part in parts]
            found = [*map(self._chooser.choose, found, languages)]
        return with_positions(self, parts, found) if self._options.alignments else found

    def _find_alone(
        self, part: SubSegment, settings: DecodeSettings, limit: int
    ) -> list[Hypothesis]:
        """Search a part whose outputs reach their greatest length, EOS counted, or are no text.

        Outputs that CTranslate2 cuts off get an end here, as in our search. But it ranks them
        without that end, and those that end earlier may get lost: these are searched apart.
        """
        (found,) = self._find([part], settings, limit, self._never)
        if settings.beam_size > 1:
            (longer,) = self._find([part], settings, 2 * limit, self._never)
            known = {hypothesis.ids for hypothesis in found}
            found += [
                hypothesis
                for hypothesis in longer
                if len(hypothesis.ids) < limit and hypothesis.ids not in known
            ]
        self._score([part], [found])
        return found

    def _find(
        self,
        parts: Sequence[SubSegment],
        settings: DecodeSettings,
        limit: int,
        never: set[int] | None = None,
    ) -> Found:
        """Search a batch; limit: the greatest length, EOS counted; never: tokens to leave out."""
        beam, alpha = settings.beam_size, settings.length_penalty
        is_greedy = beam == 1
        power = max(SMALLEST_PENALTY, alpha * TYPICAL_LENGTH / (5 + TYPICAL_LENGTH))
        power = 0.0 if is_greedy else power
        results = self._translator.translate_batch(
            [[self._source[token] for token in part.ids] for part in parts],
            [[self._target[token] for token in part.prefix.ids] for part in parts],
            beam_size=beam,
            num_hypotheses=beam,
            patience=1.0 if is_greedy else PATIENCE[settings.stopping],
            length_penalty=power,
            no_repeat_ngram_size=settings.no_repeat_ngram,
            suppress_sequences=[[self._target[token]] for token in never or ()],
            max_input_length=0,  # no limit: segments have been split
            max_decoding_length=limit - 1,
            min_decoding_length=settings.min_length,
            return_scores=True,
        )
        return [
            [
                self._hypothesis(
                    tuple(self._ids[piece] for piece in pieces), score * (len(pieces) + 1) ** power
                )
                for pieces, score in zip(result.hypotheses, result.scores, strict=True)
            ]
            for result in results
        ]

    def _hypothesis(self, ids: tuple[int, ...], log_prob: float) -> Hypothesis:
        penalty = length_penalty(len(ids) + 1, self.settings.length_penalty)
        return Hypothesis(ids, log_prob, log_prob / penalty)

    def _score(
        self, parts: Sequence[SubSegment], found: Found, *, keeps_tokens: bool = False
    ) -> None:
        """Replace the scores of hypotheses by those of the whole model, EOS counted, in place."""
        pairs = [
            (part, hypothesis) for part, row in zip(parts, found, strict=True) for hypothesis in row
        ]
        results = iter(
            self._translator.score_batch(
                [[self._source[token] for token in part.ids] for part, _ in pairs],
                [[self._target[token] for token in hypothesis.ids] for _, hypothesis in pairs],
                max_input_length=0,
            )
        )
        for row in found:
            for index, hypothesis in enumerate(row):
                log_probs = tuple(next(results).log_probs)
                scored = self._hypothesis(hypothesis.ids, math.fsum(log_probs))
                row[index] = replace(scored, token_log_probs=log_probs if keeps_tokens else ())

    def align(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        """Return the source positions that tokens of outputs, in natural order, are aligned to.

        The search is forced to write the outputs again.
        """
        results = self._translator.translate_batch(
            [[self._source[token] for token in part.ids] for part in parts],
            [[self._target[token] for token in ids[:: self._step]] for ids in outputs],
            beam_size=1,
            max_input_length=0,
            max_decoding_length=max(map(len, outputs)) + 1,
            return_attention=True,
        )
        positions = []
        for part, ids, result in zip(parts, outputs, results, strict=True):
            rows = [row[: len(part)] for row in result.attention[0][: len(ids)]]
            weights = numpy.array(rows, numpy.float32).reshape(len(ids), len(part))
            words = find_token_words(ids, self._subwords)
            positions.append(best_positions(weights[:: self._step], words))
        return positions
