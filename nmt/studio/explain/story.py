"""One sentence's way through one model: `nmt translate`'s own search, then every number."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.artifacts.model_file import TrainedModel
from nmt.config import DecodeSettings
from nmt.decoding.beam import beam_search
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.segments import segment_limit
from nmt.decoding.translator import special_ids
from nmt.errors import NmtError, UsageError
from nmt.model.transformer import Transformer
from nmt.studio.explain.outlook import NextTokens, next_tokens
from nmt.studio.explain.recording import Recording, recording
from nmt.studio.explain.tree import Tree, tree_of
from nmt.studio.explain.watching import WatchedModel
from nmt.text.batches import source_batch
from nmt.text.tokenizer import BOS, EOS, UNK

WIDEST_BEAM = 16  # that a page can still show


@dataclass(frozen=True)
class Explanation:
    """All that a page tells."""

    model: TrainedModel
    settings: DecodeSettings
    text: str
    source_ids: tuple[int, ...]  # EOS at the end
    translation: str
    winner: Hypothesis
    recording: Recording  # of a plain pass over the source and the translation
    logits: Tensor  # (T, V) after each target position
    next_tokens: list[NextTokens]
    tree: Tree
    max_length: int  # that the search allowed its output, EOS counted

    @property
    def target_inputs(self) -> tuple[int, ...]:
        """What the decoder reads: BOS, then the translation."""
        return (BOS, *self.winner.ids)

    @property
    def target_outputs(self) -> tuple[int, ...]:
        """What it writes: the translation, then EOS."""
        return (*self.winner.ids, EOS)


def check_settings(settings: DecodeSettings) -> None:
    """Raise UsageError for what no page can show."""
    if settings.beam_size > WIDEST_BEAM:
        raise UsageError(
            f"a beam of {settings.beam_size} is too wide for a page; set --beam-size to at most"
            f" {WIDEST_BEAM}"
        )
    if settings.precision == "int8":
        raise UsageError(
            "the page shows what float32 or bf16 compute; add --set decode.precision=float32"
        )


def tell(
    model: TrainedModel, text: str, settings: DecodeSettings, report: Callable[[str], None]
) -> Explanation:
    """Translate one sentence and keep everything.

    Raises NmtError for a text that is blank or that would be translated in pieces, UsageError for
    settings that no page can show.
    """
    check_settings(settings)
    ids = encode(model, text, settings, report)
    network = model.network
    if settings.precision == "bf16":
        network = copy.deepcopy(network).bfloat16()  # as in translating
    source = source_batch([ids]).to(network.embedding.device)
    max_length = len(ids) + settings.max_extra_tokens
    special = special_ids(model.tokenizer)
    watched = WatchedModel(IncrementalDecoder(network))
    (found,) = beam_search(
        watched,
        source,
        [max_length],
        special,
        beam_size=settings.beam_size,
        alpha=settings.length_penalty,
        stopping=settings.stopping,
    )
    if not found:
        raise NmtError(f"{model.path}: the model's outputs are not numbers; train it anew")
    winner = found[0]
    tree = tree_of(
        watched.steps,
        winner,
        special,
        beam_size=settings.beam_size,
        alpha=settings.length_penalty,
        max_length=max_length,
    )
    record, logits = replay(network, source, winner.ids)
    return Explanation(
        model=model,
        settings=settings,
        text=text,
        source_ids=tuple(source[0].tolist()),
        translation=model.tokenizer.target.decode(winner.ids),
        winner=winner,
        recording=record,
        logits=logits,
        next_tokens=next_tokens(logits, [*winner.ids, EOS], special.never),
        tree=tree,
        max_length=max_length,
    )


def encode(
    model: TrainedModel, text: str, settings: DecodeSettings, report: Callable[[str], None]
) -> list[int]:
    """The pieces of a text that can be explained; raises NmtError for another."""
    (ids,) = model.tokenizer.source.encode([text])
    if not ids:
        raise NmtError("there is nothing to explain: the text is blank")
    longest = segment_limit(settings, model.recipe.model)
    if len(ids) > longest:
        grows = longest == settings.max_segment_tokens  # not what the model's positions hold
        mend = f", or --set decode.max_segment_tokens={len(ids)}" if grows else ""
        raise NmtError(
            f"the text has {len(ids):,} tokens, and what is longer than {longest} is translated in"
            f" pieces; explain one sentence of it{mend}"
        )
    if UNK in ids:
        report("the text holds characters that the vocabulary lacks; the model reads an unknown")
    return ids


@torch.inference_mode()
def replay(
    network: Transformer, source: Tensor, target_ids: Sequence[int]
) -> tuple[Recording, Tensor]:
    """The record and the logits (T, V) of all target positions at once, as in training."""
    target = torch.tensor([[BOS, *target_ids]], device=source.device)
    with recording(network) as record:
        logits = network(source, target)
    return record, logits[0].float().cpu()
