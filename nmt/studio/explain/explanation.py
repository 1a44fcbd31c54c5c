"""Explain a translation: the search of `nmt translate`, then every number of the model's pass.

Softmax at temperature T is softmax(logits / T). The page holds the logits of the most probable next
tokens, and for each temperature of its slider the logarithm of the sum over the whole vocabulary.
So its probabilities are exact, with a few numbers for each step.
"""

import copy
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.config import DecodeSettings
from nmt.decoding.models.pytorch import IncrementalDecoder
from nmt.decoding.search.beam import BeamSearch
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.prefix import NO_PREFIX
from nmt.decoding.search.rules import make_constraints, special_ids
from nmt.decoding.search.search import SearchStep, search
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.odd_input import odd_segment
from nmt.decoding.translator.segments import opening_ids, output_limit, segment_limit
from nmt.errors import NmtError, UsageError
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.studio.explain.recording import Recording, Tree, recording
from nmt.system.log import note, progress_bar
from nmt.text.batches import source_batch
from nmt.text.subwords.tokenizer import BOS, EOS, UNK

WIDEST_BEAM = 16  # the page has room for no more
TEMPERATURES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 31))
SHOWN = 12  # tokens of each step


@dataclass(frozen=True)
class NextTokens:
    """The most probable tokens of one step, and the token that the translation has there."""

    ids: tuple[int, ...]  # most probable first; then the chosen token, if it is not among them
    logits: tuple[float, ...]  # of ids
    log_sums: tuple[float, ...]  # log of the sum of exp(logit / T) over all tokens, for each T
    entropy: float  # bits, at temperature 1
    chosen: int
    rank: int  # of the chosen token among those that may come; 1 is the most probable


@dataclass(frozen=True)
class Explanation:
    """One sentence, its translation and everything that the model computed for it."""

    model: TrainedModel
    settings: DecodeSettings
    text: str
    source_ids: tuple[int, ...]  # with EOS
    translation: str
    best: Hypothesis  # the translation, in the order in which the model writes
    recording: Recording  # of one pass over the source and the whole translation
    logits: Tensor  # (T, V) after each target position
    next_tokens: list[NextTokens]  # of each target position
    tree: Tree
    max_length: int  # greatest length of the output that the search allowed, EOS counted

    @property
    def target_inputs(self) -> tuple[int, ...]:
        """Return the tokens that the decoder reads: BOS, then the translation."""
        return (BOS, *self.best.ids)

    @property
    def target_outputs(self) -> tuple[int, ...]:
        """Return the tokens that the decoder writes: the translation, then EOS."""
        return (*self.best.ids, EOS)


def explain(model: TrainedModel, text: str, settings: DecodeSettings) -> Explanation:
    """Translate one sentence and keep everything that the model computes.

    A note says if the text has unknown characters, or is read in another form. Raises NmtError if
    the text is blank or so long that it would be split, if the model is no Transformer, and if its
    outputs are NaN. Raises UsageError for settings that a page cannot show.
    """
    check_settings(settings)
    settings = device_settings(settings, model.device)
    text = as_read(model, text, settings)
    ids = encode(model, text, settings)
    network = require_transformer(model)
    if settings.precision == "bf16":
        network = copy.deepcopy(network).bfloat16()  # as for translating
    source = source_batch([ids]).to(network.device)
    max_length = output_limit(len(ids), settings)
    special = special_ids(model.tokenizer)
    tree = Tree(special.bos, settings.length_penalty)
    with progress_bar(total=max_length, unit="token", desc="explain", leave=False) as bar:

        def observe(step: SearchStep) -> None:
            tree.on_step(step)
            bar.update()

        (found,) = search(
            IncrementalDecoder(network),
            source,
            [max_length],
            special,
            BeamSearch(settings.beam_size, settings.length_penalty, stopping=settings.stopping),
            constraints=make_constraints([NO_PREFIX], [max_length], settings, special.eos),
            observer=observe,
        )
    if not found:
        raise NmtError(
            f"{model.path}: the model's outputs are not numbers: its training diverged, or its file"
            " is damaged; train it again with a lower train.learning_rate_scale, or name another"
        )
    best = found[0]
    tree.mark(best, special.eos)
    in_order = best.backwards() if network.settings.is_right_to_left else best
    record, logits = replay(network, source, best.ids)
    return Explanation(
        model=model,
        settings=settings,
        text=text,
        source_ids=tuple(source[0].tolist()),
        translation=model.tokenizer.target.decode(in_order.ids),
        best=best,
        recording=record,
        logits=logits,
        next_tokens=next_tokens(logits, [*best.ids, EOS], special.never),
        tree=tree,
        max_length=max_length,
    )


def require_transformer(model: TrainedModel) -> Transformer:
    """Return the network of a model; raises NmtError if it is no Transformer."""
    network = model.network
    if not isinstance(network, Transformer):
        raise NmtError(
            f"{model.path} has model.architecture={model.recipe.model.architecture}, but the page"
            " explains a Transformer; name another model with --model"
        )
    return network


def check_settings(settings: DecodeSettings) -> None:
    """Raise UsageError for settings that a page cannot show."""
    if settings.beam_size > WIDEST_BEAM:
        raise UsageError(
            f"a beam of {settings.beam_size} is too wide for a page; set --beam-size to at most"
            f" {WIDEST_BEAM}"
        )
    if settings.method != DecodeSettings.method or settings.mbr != DecodeSettings.mbr:
        raise UsageError(
            "the page shows a beam search alone; add --set decode.method=beam --set decode.mbr=none"
        )
    if settings.precision == "int8":
        raise UsageError(
            "the page shows float32 or bf16 numbers, not int8; add --set decode.precision=float32"
        )


def as_read(model: TrainedModel, text: str, settings: DecodeSettings) -> str:
    """Return a text as the model of `nmt translate` reads it: without capitals or symbols."""
    if settings.odd_input != "repair" or not text.strip():
        return text
    subwords = model.tokenizer.source
    odd = odd_segment(text, subwords.encode([text])[0], subwords)
    if odd is None:
        return text
    if not odd.text:
        note("`nmt translate` copies this text; the page shows what the model itself would write")
        return text
    note(
        f"`nmt translate` gives the model {odd.text!r}, and puts back what is missing afterwards;"
        " the page shows that text; --set decode.odd_input=as_is shows the text as it is"
    )
    return odd.text


def encode(model: TrainedModel, text: str, settings: DecodeSettings) -> list[int]:
    """Return the tokens of a text; raises NmtError if it is blank or would be split."""
    subwords = model.tokenizer.source
    (ids,) = subwords.encode([text])
    if not ids:
        raise NmtError("there is nothing to explain: the text is blank")
    _, own = model.recipe.data.known_directions[0]
    ids = [*opening_ids(settings.target_language, subwords, own), *ids]
    longest = segment_limit(settings, model.recipe.model).tokens
    if len(ids) > longest:
        # A setting cannot raise the limit of learned positions.
        can_grow = longest == settings.max_segment_tokens
        fix = f", or add --set decode.max_segment_tokens={len(ids)}" if can_grow else ""
        raise NmtError(
            f"the text has {len(ids):,} tokens, and a text of more than {longest} is split before"
            f" it is translated; explain one sentence of it{fix}"
        )
    if UNK in ids:
        note("the text holds characters that the vocabulary lacks; the model reads them as unknown")
    return ids


@torch.inference_mode()
def replay(
    network: Transformer, source: Tensor, target_ids: Sequence[int]
) -> tuple[Recording, Tensor]:
    """Return the record of a pass over all target positions at once, and its logits (T, V)."""
    target = torch.tensor([[BOS, *target_ids]], device=source.device)
    with recording(network) as record:
        logits = network(source, target)
    return record, logits[0].float().cpu()


def next_tokens(
    logits: Tensor, chosen: Collection[int], never: Collection[int]
) -> list[NextTokens]:
    """Return the next tokens of each of T steps.

    logits: (T, V). chosen: the T tokens of the translation. never: tokens that are never an output;
    they count in the sums, but they are not shown.
    """
    rows = logits.double()
    return [one_step(row, token, never) for row, token in zip(rows, chosen, strict=True)]


def one_step(logits: Tensor, chosen: int, never: Collection[int]) -> NextTokens:
    """Return the next tokens of one step; logits (V,)."""
    temperatures = torch.tensor(TEMPERATURES, dtype=logits.dtype)[:, None]
    log_sums = (logits / temperatures).logsumexp(-1)
    log_probs = logits.log_softmax(-1)
    allowed = logits.clone()
    allowed[list(never)] = -torch.inf
    best = allowed.topk(min(SHOWN, len(allowed) - len(never))).indices.tolist()
    shown = best if chosen in best else [*best, chosen]
    return NextTokens(
        ids=tuple(shown),
        logits=tuple(logits[shown].tolist()),
        log_sums=tuple(log_sums.tolist()),
        entropy=float(-(log_probs.exp() * log_probs).sum()) / math.log(2),
        chosen=chosen,
        rank=int((allowed > allowed[chosen]).sum()) + 1,
    )
