"""Advise on the settings for a corpus, and on the time that their training takes here.

The time is that of a trial: a training in memory, for a minute. It uses the parts that a training
uses: tokenizer, batches, updates, memory probe, precision and validation. It writes no file, and a
later training does not depend on it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from statistics import median
from time import perf_counter

import numpy
import torch

from nmt.config import DataSettings, Recipe
from nmt.corpora.check import Task
from nmt.corpora.faults.report import Advice, Advised, Difference, Forecast
from nmt.corpora.held_out import SETS, HashedPairs, Sizes, hold_out
from nmt.corpora.pairs import Refused, has_text, learn_from, read_leniently, sample_evenly
from nmt.corpora.presets import ChosenSettings, CorpusFacts
from nmt.corpora.survey import Corpus, few_pairs_notes, fitting_settings, survey
from nmt.errors import NmtError
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.recipe.settings import get_setting, recipe_differences, with_settings
from nmt.recipe.size import count_parameters
from nmt.system.devices import pick_device
from nmt.system.log import Notify
from nmt.system.threads import thread_count, thread_pool_for
from nmt.text.encode import encode_pairs
from nmt.text.prepare import Prepared
from nmt.text.reading.corpus import Pair, ParallelText
from nmt.text.shards import LINE, OFFSET, Shard
from nmt.text.subwords.tokenizer import Tokenizer
from nmt.training.loader import BatchLoader, Prefetch, choose_prefetch, epoch_batches, plan_batches
from nmt.training.memory_probe import check_memory, check_model_fits
from nmt.training.parallel.workers import Workers
from nmt.training.precision import measured_precision
from nmt.training.setup import Setup, unless_measured
from nmt.training.trainer import initial_network, training_pairs
from nmt.training.updates import StartedUpdate, Updater
from nmt.training.validation import DevSet

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
BUSY = 0.75  # a smaller share of the processor's time means that other programs took much of it

# Each topic with the setting that has its reason, and its other settings.
TOPICS = {
    "vocabulary": ("tokenizer.vocab_size", "tokenizer.character_coverage"),
    "model": (
        "model.d_model",
        "model.encoder_layers",
        "model.decoder_layers",
        "model.d_ff",
        "model.heads",
        "model.d_k",
        "model.d_v",
        "model.norm",
        "model.positions",
        "model.activation",
    ),
    "dropout": ("model.dropout",),
    "optimizer": ("train.optimizer", "train.weight_decay"),
    "batch": ("train.batch_source_tokens", "train.batch_target_tokens"),
    "warm-up": ("train.warmup_updates", "train.learning_rate_scale"),
    "updates": (
        "train.max_updates",
        "train.cooldown_updates",
        "train.patience",
        "train.average_checkpoints",
    ),
}


def advised_settings(recipe: Recipe, settings: ChosenSettings) -> list[Advised]:
    """Return the advice on the settings of a recipe, with the reasons for their choice."""
    model, train, vocabulary = recipe.model, recipe.train, recipe.tokenizer.vocab_size
    cooldown = train.cooldown_updates
    words = (
        f"{vocabulary:,} tokens",
        f"{model.encoder_layers}+{model.decoder_layers} layers, d_model {model.d_model},"
        f" d_ff {model.d_ff}: {count_parameters(model, vocabulary):,} parameters",
        f"{model.dropout:g}",
        f"{train.optimizer.capitalize()}, weight decay {train.weight_decay:g}",
        f"{train.batch_source_tokens:,} tokens",
        f"{train.warmup_updates:,} updates",
        f"{train.max_updates:,}" + (f", cooldown in the last {cooldown:,}" if cooldown else ""),
    )
    return [
        Advised(
            topic,
            advice,
            settings.reasons[names[0]],
            {name: get_setting(recipe, name) for name in names},
        )
        for (topic, names), advice in zip(TOPICS.items(), words, strict=True)
    ]


def advised_time(forecast: Forecast | None, problem: str) -> Advised:
    """Return the time of the training; problem: the reason why it was not measured."""
    if forecast is None:
        return Advised("time", "not measured", problem, {})
    reason = (
        f"{forecast.updates:,} updates of {figure(forecast.seconds_per_update)} s and"
        f" {forecast.validations} validations of {figure(forecast.seconds_per_validation)} s, by a"
        f" trial of {forecast.measured_updates} updates ({forecast.device}, {forecast.precision})"
    )
    if forecast.processor_share < BUSY:
        alone = duration(forecast.seconds * forecast.processor_share)
        taken = 100 * (1 - forecast.processor_share)
        reason += (
            f"; other programs took {taken:.0f} % of the processor; without them, the training may"
            f" take {alone}"
        )
    return Advised("time", duration(forecast.seconds), reason, {})


def figure(number: float) -> str:
    """Return a number with two digits, or more before the decimal point."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def duration(seconds: float) -> str:
    """Return seconds in words, in the unit that suits them."""
    if seconds < HOUR:
        minutes = max(1, round(seconds / MINUTE))
        return f"about {minutes} minute{'s' * (minutes > 1)}"
    if seconds < 2 * DAY:
        return f"about {seconds / HOUR:.1f} hours"
    return f"about {seconds / DAY:.1f} days"


SAMPLED = 40_000  # pairs for the trial, at most
DEV_SAMPLED = 1_000  # pairs of them that stand for a dev set
# Settings that grow with the number of pairs, and the share by which they may differ and still be
# as advised. `nmt init` chooses them for all pairs, of which up to a tenth is then held out.
GROWING = (
    "tokenizer.vocab_size",
    "train.max_updates",
    "train.cooldown_updates",
    "train.warmup_updates",
    "train.checkpoint_updates",
    "train.validate_updates",
)
CLOSE = 0.15


def read_each(texts: Iterable[ParallelText]) -> Iterator[Corpus]:
    """Yield languages and pairs of texts; lines that cannot be read are blank."""
    return ((text.languages, read_leniently(text, Refused())) for text in texts)


def read_all(texts: Iterable[ParallelText]) -> Iterator[Pair]:
    """Yield the pairs of texts; lines that cannot be read are blank."""
    return chain.from_iterable(pairs for _, pairs in read_each(texts))


def advise(task: Task, recipe: Recipe | None, notify: Notify) -> Advice:
    """Read a corpus, choose settings for it, and try them for up to a minute.

    recipe: whose text this is; None: the text is two files, from which sets would be held out.
    notify: receives what is done. Raises NmtError if the text is too small to train on.
    """
    device = pick_device()
    dev_texts = [text for text in task.held_out if text.name == "dev"]
    dev = [*filter(has_text, read_all(dev_texts))]
    facts, settings, held_out = choose(task, recipe, has_gpu=device.type == "cuda")
    source, target = task.training[0].languages
    languages = {"data.source_language": source, "data.target_language": target}
    advised = with_settings(Recipe("advice"), settings.values | languages)
    if recipe:
        advised = replace(advised, data=recipe.data)
    notify("advice: a trial measures the speed of this machine; it takes up to a minute")
    sample = sample_evenly(filter(has_text, read_all(task.training)), SAMPLED)
    dev_pairs = max(1, held_out or len(dev))
    dev = dev or sample[:: -(-len(sample) // DEV_SAMPLED)]
    measured, problem = None, ""
    try:
        measured = forecast(advised, TrialText(sample, dev, dev_pairs), device)
    except NmtError as error:
        problem = str(error)
    return Advice(
        facts.pairs,
        (*advised_settings(advised, settings), advised_time(measured, problem)),
        measured,
        differences(recipe, advised),
        (*few_pairs_notes(facts.pairs), *settings.notes),
    )


def choose(
    task: Task, recipe: Recipe | None, *, has_gpu: bool
) -> tuple[CorpusFacts, ChosenSettings, int]:
    """Return the facts of a corpus, its settings, and how many pairs to hold out as a dev set."""
    names = [text.title for text in task.training]
    name = ", ".join(names)
    if recipe:  # its text is trained on as it is
        facts, _ = survey(read_each(task.training), name)
        settings = fitting_settings(facts, lambda: read_all(task.training), has_gpu=has_gpu)
        return facts, settings, 0
    given = HashedPairs(read_all(task.held_out))
    facts, hasher = survey(read_each(task.training), name, given)
    known = {text.name for text in task.held_out}
    sizes = Sizes(dev=0 if "dev" in known else None, test=0 if "test" in known else None)
    plan = hold_out(hasher, sizes, names=names, fix="give more text")
    settings = fitting_settings(
        facts, lambda: plan.training(read_all(task.training)), has_gpu=has_gpu
    )
    return facts, settings, int((plan.sets == SETS.index("dev")).sum())


def differences(theirs: Recipe | None, advised: Recipe) -> tuple[Difference, ...]:
    """Return the settings of a recipe that differ from the advice, if there is a recipe."""
    if theirs is None:
        return ()
    found = recipe_differences(theirs, advised, chain.from_iterable(TOPICS.values()))
    return tuple(
        Difference(setting.name, setting.old, setting.new)
        for setting in found
        if setting.name not in GROWING
        or abs(setting.old - setting.new) > CLOSE * max(setting.old, setting.new)
    )


WARM_UP_UPDATES, WARM_UP_SECONDS = 3, 2.0  # the first updates are slow; whichever ends later
SLOW_SECONDS = 5.0  # an update that takes as long needs no more warm-up
MOST_UPDATES, MOST_SECONDS = 200, 20.0  # to measure; whichever ends first
FEWEST_UPDATES = 3  # to measure, even if the machine is so slow that no time is left
TRIAL_SECONDS = 50.0  # from the start of the trial to the last update
FIRST_SEGMENTS, ENOUGH_SECONDS = 64, 1.0  # of a validation; four times as many until it is enough


@dataclass(frozen=True)
class TrialText:
    """Hold the text for a trial: a sample."""

    pairs: Sequence[Pair]  # to train on
    dev: Sequence[Pair]  # a part of the dev set, or pairs like them
    dev_pairs: int  # in the whole dev set


def forecast(recipe: Recipe, text: TrialText, device: torch.device) -> Forecast:
    """Train for about half a minute and return how long the whole training takes.

    Raises NmtError if memory does not suffice, or if the text is too small for a vocabulary.
    """
    if device.type == "cpu":
        check_model_fits(recipe)
    deadline = perf_counter() + TRIAL_SECONDS
    recipe = unless_measured(recipe, device)
    workers, ahead = Workers(), choose_prefetch(device)
    with torch.random.fork_rng(devices=[]):
        tokenizer = learn_from(text.pairs, recipe.tokenizer, recipe.data.target_control_tokens)
        shard = encoded(text.pairs, tokenizer, recipe.data)
        if not len(shard):
            raise NmtError("no pair of the sample is left after cleaning")
        setup = Setup(recipe, Prepared(tokenizer, (shard,), ("the sample",), ""), {})
        dataset = training_pairs(setup)
        network = initial_network(setup, dataset).to(device)
        updater = Updater(recipe, network, workers, device)
        # An untrained model writes all that it may: in this check, as much as its sources.
        brief = with_settings(recipe, {"decode.max_extra_tokens": 1})
        languages = recipe.data.known_directions[0]  # the sample's tokenizer has no other
        dev = DevSet(brief, {languages: text.dev}, tokenizer, thread_pool_for(device))
        plans = partial(epoch_batches, recipe.train, dataset)
        load = partial(BatchLoader, dataset, plans, workers=workers, prefetch=ahead, device=device)
        if recipe.train.precision == "auto":
            batches = load(micro_batch_tokens=recipe.train.micro_batch_tokens)
            updater.precision, _ = measured_precision(updater, batches)
        updater.set_up()
        plan = plan_batches(recipe.train, dataset, 0)
        micro_batch_tokens = check_memory(
            updater, dev, dataset, plan, epoch=0, length_multiple=ahead.length_multiple
        )
        with load(micro_batch_tokens=micro_batch_tokens) as batches, closing(updater):
            seconds, processor_share = measure_updates(updater, batches, ahead, deadline)
        mean_tokens = round(float(dataset.target_lengths.mean()))
        validation = validation_seconds(setup, text, network, mean_tokens)
    train = recipe.train
    validations = -(-train.max_updates // train.validate_updates) + 1  # one is of the average
    update = median(seconds)
    return Forecast(
        seconds=train.max_updates * update + validations * validation,
        seconds_per_update=update,
        measured_updates=len(seconds),
        updates=train.max_updates,
        seconds_per_validation=validation,
        validations=validations,
        processor_share=processor_share,
        precision=updater.precision,
        device=device_name(device),
    )


def encoded(pairs: Sequence[Pair], tokenizer: Tokenizer, limits: DataSettings) -> Shard:
    """Return the pairs that cleaning keeps, encoded in memory."""
    chunks = [*encode_pairs(pairs, tokenizer, limits)]
    lengths = numpy.concatenate([chunk.lengths for chunk in chunks])
    offsets = numpy.zeros(len(lengths) + 1, OFFSET)
    lengths.cumsum(out=offsets[1:])
    lines = numpy.concatenate([chunk.lines for chunk in chunks]).astype(LINE)
    return Shard(numpy.concatenate([chunk.ids for chunk in chunks]), offsets, lines)


def measure_updates(
    updater: Updater, batches: BatchLoader, prefetch: Prefetch, deadline: float
) -> tuple[list[float], float]:
    """Measure updates, one after the other as in a training, after a warm-up.

    Return the seconds of each, and the share of the processor's time that the threads of this
    training had; it is 1 if there is a GPU. deadline: as `perf_counter` counts, when to end after
    the fewest updates.
    """
    started: deque[StartedUpdate] = deque()
    seconds: list[float] = []
    begun = since = perf_counter()
    warm_since = worked = 0.0  # seconds; 0: not warm yet
    for number in count(1):
        batch = next(batches)
        started.append(updater.start(batch.share, number, batch.counts, None))
        while len(started) > prefetch.late_results:
            started.popleft().result()
        now = perf_counter()
        last, since = now - since, now
        if warm_since:
            seconds.append(last)
            is_enough = len(seconds) >= MOST_UPDATES or now - warm_since >= MOST_SECONDS
            if is_enough or (len(seconds) >= FEWEST_UPDATES and now >= deadline):
                break
        elif last >= SLOW_SECONDS or (number >= WARM_UP_UPDATES and now - begun >= WARM_UP_SECONDS):
            warm_since, worked = now, updater.processor_seconds()
    while started:
        started.popleft().result()
    share = 1.0
    if updater.device.type == "cpu":
        share = (
            (updater.processor_seconds() - worked) / (since - warm_since) / torch.get_num_threads()
        )
    return seconds, min(1.0, share)


def validation_seconds(
    setup: Setup, text: TrialText, network: EncoderDecoder, target_tokens: int
) -> float:
    """Return about how long a validation takes, from one on a part of the dev set.

    target_tokens: the length of each translation. An untrained model would write longer ones.
    """
    of_length = {"decode.min_length": target_tokens, "decode.max_length": target_tokens}
    recipe = with_settings(setup.recipe, {**of_length, "decode.odd_input": "as_is"})
    pool = thread_pool_for(network.device)
    size = FIRST_SEGMENTS
    while True:
        part = [*text.dev[:size]]
        languages = recipe.data.known_directions[0]
        dev = DevSet(recipe, {languages: part}, setup.prepared.tokenizer, pool)
        started = perf_counter()
        dev.validate(network)
        seconds = perf_counter() - started
        if seconds >= ENOUGH_SECONDS or len(part) == len(text.dev):
            return seconds * text.dev_pairs / len(part)
        size *= 4


def device_name(device: torch.device) -> str:
    """Return what a device is called in a forecast."""
    if device.type == "cpu":
        return f"CPU, {thread_count()}"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
