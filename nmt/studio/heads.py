"""Measure what each attention head attends to on a dev set, and what a model loses without it.

A head is named after what gets at least half of its weight (`CLEAR`), and 20 points more than a
baseline (`MARGIN`), in at least 30 rows (`ROWS`). The baseline of a position, such as the token
before, is equal weights for all tokens. That of a word, such as the verb of a particle, is the
greatest of three: equal weights, the head's mean weight at the same distance, and what the other
rows of the sentence give to the same word. A head without a name is "spread" if its entropy is
at least 85 % of the greatest possible one (`EVEN`), otherwise "mixed".

A file of links, `dev.links.gz` beside `dev.en`, names more words to look for. It has a line for
each pair, with tabs between items: "target 5 1 a particle's verb" leads from word 5 of the target
to word 1. Words and punctuation marks are counted from 0. The row that looks for a word has read
the last token of the first one; in the decoder, a row "(next)" is about to write its first token.

Dimensions: B pairs, h heads, Q queries, K keys.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nmt.config import TextFiles
from nmt.decoding.translator.segments import opening_ids
from nmt.documents.registry import bilingual_reader
from nmt.errors import NmtError
from nmt.evaluation.markdown import table
from nmt.evaluation.test_sets import aligned_lines
from nmt.model.attention import MultiHeadAttention
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.transformer import Transformer
from nmt.runs.run_folder import find_run
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.devices import choose_device
from nmt.system.log import progress_bar
from nmt.system.threads import same_core_count, thread_pool_for
from nmt.text.alignment import align_pairs
from nmt.text.batches import make_batch
from nmt.text.plan import batches_by_length
from nmt.text.prepare import open_prepared
from nmt.text.reading.corpus import DataFolder, DevPairs, Pair
from nmt.text.subwords.words import find_output_words
from nmt.training.validation import DevSet

CLEAR, MARGIN, ROWS, EVEN = 0.5, 0.2, 30, 0.85
PAIRS = 500  # at most, of the dev set
SMALL = 1_000_000_000  # pairs times parameters that a page reads: a second
POSITIONS = (
    *("the token before", "the same token", "the token after", "the start", "the end"),
    "the language token",
)
BEFORE, SAME, AFTER, START, END, LANGUAGE = POSITIONS
OPENING = 1 << 20  # the word of a language token
REST, TRANSLATED = "the rest of its word", "the translated word"
NEXT = " (next)"  # before a word is written; other rows have read its last token
WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
LINK = re.compile(r"(source|target) (\d+) (\d+) ([^\t]+)")
BATCH_TOKENS = 1000
CELLS = 1 << 17  # to align words; with 8 times as many, the shares rise by 1 or 2 points


@dataclass(frozen=True)
class Share:
    """The mean weight that a head gives to what its rows may look for."""

    weight: float
    baseline: float
    rows: float


@dataclass(frozen=True)
class Head:
    """Describe what one head attends to."""

    attention: str  # the module, such as "encoder.0.self_attention"
    head: int  # counted from 0
    shares: dict[str, Share]
    entropy: float  # bits, the mean of the rows
    most_entropy: float  # the mean of log2(keys)

    @property
    def name(self) -> str:
        """Return what the head attends to, in words."""
        best: dict[str, str] = {}  # the best position, and each word once
        for what, share in sorted(
            self.shares.items(), key=lambda item: item[1].baseline - item[1].weight
        ):
            if share.weight >= max(CLEAR, share.baseline + MARGIN) and share.rows >= ROWS:
                group = "" if what in POSITIONS else what.removesuffix(NEXT)
                best.setdefault(group, f"{what} {100 * share.weight:.0f} %")
        is_even = self.entropy >= EVEN * self.most_entropy
        return ", ".join(best.values()) or ("spread" if is_even else "mixed")


class DevPair(NamedTuple):
    """A pair of the dev set, in the order of the model; an end has the word -1."""

    source: list[int]
    target: list[int]
    source_words: list[int]  # of each token, with the end
    target_words: list[int]
    links: list[tuple[str, int, int, str]]  # side, word, the word that it leads to, what that is


def read_dev(
    model: TrainedModel, data_dir: Path | None, most: int = PAIRS
) -> tuple[DevPairs, list[DevPair]]:
    """Return at most `most` pairs of a model's dev set, spread evenly, as text and encoded.

    Their words are aligned as the run's corpus teaches, if it is still there.
    """
    recipe, run, both = model.recipe, find_run(model.path), list[tuple[Pair, str, TextFiles]]()
    data, folder = DataFolder(run.data_dir(data_dir), bilingual_reader), run.prepared_folder()
    for files in recipe.data.dev:
        texts = [*data.text(files, recipe).pairs()]
        name = str(Path(files.names[0]).with_suffix(".links.gz"))
        has_links = data.find(files.names[0], recipe).with_suffix(".links.gz").is_file()
        lines = aligned_lines(name, len(texts), recipe, data) if has_links else [""] * len(texts)
        both += zip(texts, lines, [files] * len(texts), strict=True)
    both = [item for item in both if all(map(str.strip, item[0]))]
    both = both[:: max(1, -(-len(both) // most))]
    if not both:
        raise NmtError(f"recipe {recipe.name} has no dev set, on which heads are measured")
    sources = model.tokenizer.source.encode([pair.source for pair, *_ in both])
    targets = model.tokenizer.target.encode([pair.target for pair, *_ in both])
    alignments: list[list[int]] = [[]] * len(both)
    if folder.manifest.is_file():
        shards = open_prepared(recipe, folder).shards
        alignments = align_pairs(shards, model.tokenizer, sources, targets, CELLS)
    step = -1 if recipe.model.is_right_to_left else 1
    found, by_direction = [], dict[tuple[str, str], list[Pair]]()
    for source, target, own, item in zip(sources, targets, alignments, both, strict=True):
        pair, line, files = item
        languages = recipe.data.find_languages(files)
        by_direction.setdefault(languages, []).append(pair)
        words, written = (
            [span.start for span in find_output_words(ids, subwords, WORD).by_token]
            for ids, subwords in zip((source, target), model.tokenizer.sides, strict=True)
        )
        links = [("both", written[t], words[s], TRANSLATED) for t, s in enumerate(own) if s >= 0]
        links += [(side, int(a), int(b), what) for side, a, b, what in LINK.findall(line)]
        opening = opening_ids(languages[1], model.tokenizer.source, languages[1])
        words, written = [*([OPENING] * len(opening)), *words, -1], [*written[::step], -1]
        found.append(DevPair([*opening, *source], target[::step], words, written, links))
    return by_direction, found


class Masks(NamedTuple):
    """Pairs of a row and a key of a batch, as ones and zeros (B, Q, K)."""

    measured: Tensor  # by a row that counts, which sees the key
    ordinary: Tensor  # of these, those whose key is not the start or the end
    named: dict[str, Tensor]  # of these, those whose key is what the row may look for


def make_masks(pairs: Sequence[DevPair]) -> dict[str, Masks]:
    """Return which keys the rows of a batch may look for, by stack and kind of attention."""
    source = [pair.source_words for pair in pairs]
    read = [[-1, *pair.target_words[:-1]] for pair in pairs]
    found = {}
    for kind, side, row_words, key_words in (
        ("encoder.self_attention", "source", source, source),
        ("decoder.self_attention", "target", read, read),
        ("decoder.cross_attention", "both", read, source),
    ):
        rows, keys = padded(row_words)[:, :, None], padded(key_words)[:, None]
        offset = torch.arange(keys.shape[2]) - torch.arange(rows.shape[1])[:, None]
        measured = (keys > -2) & ((offset <= 0) | (side != "target"))
        measured = measured & (rows >= (-1 if side == "both" else 0))
        ordinary = measured & (keys >= 0)
        masks: dict[str, Tensor] = defaultdict(partial(torch.zeros_like, measured))
        if side != "both":
            masks |= {BEFORE: offset == -1, SAME: offset == 0, AFTER: offset == 1}
            masks[REST] = (rows == keys) & (offset != 0)
        for index, pair in enumerate(pairs):
            own, written = row_words[index], pair.target_words
            for _, word, other, what in (link for link in pair.links if link[0] == side):
                at = [key for key, key_word in enumerate(key_words[index]) if key_word == other]
                if at and word in own:  # else the file of links is of other text
                    masks[what][index, len(own) - 1 - own[::-1].index(word), at] = True
                    if side != "source":
                        masks[what + NEXT][index, written.index(word), at] = True
        named = {what: (mask & ordinary).float() for what, mask in masks.items()}
        named[START if side == "target" else END] = (measured & ~ordinary).float()
        named[LANGUAGE] = (measured & (keys == OPENING)).float()
        found[kind] = Masks(measured.float(), ordinary.float(), named)
    return found


def padded(words: Sequence[Sequence[int]]) -> Tensor:
    """Return the words of tokens as one tensor, -2 where there is no token."""
    return pad_sequence([*map(torch.tensor, words)], batch_first=True, padding_value=-2)


def add_batch(sums: dict[str, Any], masks: Masks, weights: Tensor) -> None:
    """Add what the heads of an attention give in a batch, weights (B, h, Q, K), to sums (h, 7).

    A sum is over the pairs of a mask: their rows, the weights, three baselines, the entropy, and
    the greatest possible one. The sums "" are those of all measured pairs.
    """
    weights = weights.float().cpu() * masks.measured[:, None]
    queries = masks.measured.sum(1, keepdim=True)[:, None]
    others = (weights.sum(2, keepdim=True) - weights) / (queries - 1).clamp(min=1)
    query, key = map(torch.arange, weights.shape[2:])
    offset = key - query[:, None] + len(query)
    both = torch.cat([weights, masks.ordinary[:, None]], 1) * masks.ordinary[:, None]
    by_offset = torch.zeros(both.shape[1], len(query) + len(key))
    by_offset.index_add_(1, offset.flatten(), both.sum(0).flatten(1))
    usual = (by_offset[:-1] / by_offset[-1].clamp(min=1))[:, offset]  # (h, Q, K)
    even = 1 / masks.measured.sum(2, keepdim=True).clamp(min=1)[:, None]
    bits = (-torch.xlogy(share, share) / math.log(2) for share in (weights, even))
    values = torch.stack(torch.broadcast_tensors(weights, others, usual, even, *bits))
    for what, mask in {"": masks.measured, **masks.named}.items():
        rows = mask.any(2).sum().expand(len(usual), 1)
        sums[what] += torch.cat([rows, torch.einsum("vbhqk,bqk->hv", values, mask)], 1)


def describe_heads(attention: str, sums: dict[str, Tensor]) -> Iterator[Head]:
    """Yield the heads of an attention from the sums of all batches."""
    means = {what: total / total[:, :1].clamp(min=1) for what, total in sums.items()}
    entropies = means.pop("")[:, 5:].tolist()
    for head, entropy in enumerate(entropies):
        shares = {}
        for what, of_heads in means.items():
            _, weight, *baselines, even, _, _ = of_heads[head].tolist()
            if rows := int(sums[what][head, 0]):
                baseline = even if what in POSITIONS else max(even, *baselines)
                shares[what] = Share(weight, baseline, rows)
        yield Head(attention, head, shares, *entropy)


@torch.inference_mode()
def measure(model: TrainedModel, pairs: Sequence[DevPair]) -> list[Head]:
    """Return what each head attends to when a model reads pairs.

    Raises NmtError for a model without heads.
    """
    network = model.network
    if not isinstance(network, Transformer):
        raise NmtError(f"{model.path} is recurrent, and only a Transformer has heads; name one")
    lengths = [max(len(pair.source), len(pair.target)) + 1 for pair in pairs]
    sums: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    masks: dict[str, Masks] = {}

    def record(name: str, *tensors: Tensor) -> None:
        stack, _, kind = name.split(".")
        add_batch(sums[name], masks[f"{stack}.{kind}"], tensors[-1])

    with network.evaluating(), same_core_count(), ExitStack() as undo:
        torch.set_num_threads(1)  # with more, small operations wait for busy cores
        for name, module in network.named_modules():
            if isinstance(module, MultiHeadAttention):
                undo.callback(setattr, module, "recorder", module.recorder)
                module.recorder = partial(record, name)
        for indices in batches_by_length(lengths, BATCH_TOKENS):
            chosen = [pairs[index] for index in indices]
            masks.update(make_masks(chosen))
            batch = make_batch([pair[:2] for pair in chosen]).to(network.device)
            network.hidden(batch.source, batch.target_input)
    return [head for name in sums for head in describe_heads(name, sums[name])]


def without(network: EncoderDecoder, attention: str, head: int) -> EncoderDecoder:
    """Return a copy of a network in which a head is cut: its columns of W^O are zeros."""
    copied = deepcopy(network)
    weight = copied.get_parameter(f"{attention}.out.weight").detach()
    weight.chunk(network.settings.heads, 1)[head].zero_()
    return copied


def inspect_heads(path: Path, data_dir: Path | None) -> dict[str, Any]:
    """Return what each head attends to on the dev set, and what its cut changes there.

    The score is that of greedy search. Raises NmtError if there is no dev set, or no head.
    """
    model = load_model(path, choose_device("auto"))
    texts, pairs = read_dev(model, data_dir)
    recipe = replace(model.recipe, decode=replace(model.recipe.decode, beam_size=1))
    dev = DevSet(recipe, texts, model.tokenizer, thread_pool_for(model.network.device))
    measured, heads = measure(model, pairs), []
    whole = dev.validate(model.network)
    for head in progress_bar(iterable=measured, unit="head", leave=False):
        found = dev.validate(without(model.network, head.attention, head.head))
        row = {"name": head.name, **asdict(head), "score": found.score - whole.score}
        heads.append({**row, "loss": found.plain_loss - whole.plain_loss})
    facts = {"model": str(model.path), "pairs": len(pairs), "measure": whole.measure.name}
    return {**facts, "score": whole.score, "loss": whole.plain_loss, "heads": heads}


def head_names(model: TrainedModel, data_dir: Path | None) -> dict[str, list[str]]:
    """Return the names of the heads of each attention; none if the dev set cannot be read."""
    names: dict[str, list[str]] = defaultdict(list)
    parameters = sum(weight.numel() for weight in model.network.parameters())
    most = min(PAIRS, 1 + SMALL // parameters)
    with suppress(NmtError):
        for head in measure(model, read_dev(model, data_dir, most)[1]):
            names[head.attention].append(head.name)
    return names


def render_heads(data: dict[str, Any]) -> str:
    """Return the text of `nmt inspect --heads`: a table, with weights in percent."""
    columns = {BEFORE: "before", SAME: "same", AFTER: "after", START: "start", END: "end"}
    columns |= {REST: "word", TRANSLATED + NEXT: "next"}
    rows = []
    for head in data["heads"]:
        shares = [head["shares"].get(what) for what in columns]
        cells = [f"{100 * share['weight']:.0f}" if share else "" for share in shares]
        cells += [f"{head[key]:.1f}" for key in ("entropy", "most_entropy")]
        cells += [f"{head['loss']:+.3f}", f"{head['score']:+.1f}"]
        stack, layer, kind = head["attention"].split(".")
        name = f"{stack} {int(layer) + 1} {kind.partition('_')[0]} {head['head'] + 1}"
        rows.append([name, *cells, head["name"]])
    titles = ["head", *columns.values(), "bits", "of", "loss", data["measure"], "name"]
    whole = f"{data['measure']} {data['score']:.2f} by greedy search, loss {data['loss']:.3f}"
    title = f"{data['model']}, {data['pairs']} pairs of the dev set: {whole}"
    return f"{title}\n\n{table(titles, rows)}"
