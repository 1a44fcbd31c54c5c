"""Try a recipe for a minute, in memory, to forecast how long its training takes on this machine.

The trial uses the parts that a training uses: tokenizer, batches, updates, memory probe, precision
and validation. It writes no file, and a later training does not depend on it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, starmap
from statistics import median
from time import perf_counter, process_time

import numpy
import torch

from nmt.config import DataSettings, Recipe
from nmt.corpora.pairs import learn_from
from nmt.corpora.report import Forecast
from nmt.errors import NmtError
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.recipe.settings import with_settings
from nmt.system.threads import thread_count, thread_pool_for
from nmt.text.corpus import Pair
from nmt.text.encode import encode_pairs
from nmt.text.prepare import Prepared
from nmt.text.shards import LINE, OFFSET, Shard
from nmt.text.tokenizer import Tokenizer
from nmt.training.feed import Feed, Pace, epoch_batches, pace_of, plan_batches
from nmt.training.memory_probe import check_memory, check_model_fits
from nmt.training.precision import measured_precision
from nmt.training.setup import Setup, unless_measured
from nmt.training.trainer import initial_network, training_pairs
from nmt.training.updates import StartedUpdate, Updater
from nmt.training.validation import DevSet
from nmt.training.workers import Workers

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
    workers, pace = Workers(), pace_of(device)
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
        feed = partial(Feed, dataset, plans, workers=workers, pace=pace, device=device)
        if recipe.train.precision == "auto":
            batches = feed(micro_batch_tokens=recipe.train.micro_batch_tokens)
            updater.precision, _ = measured_precision(updater, batches)
        updater.set_up()
        plan = plan_batches(recipe.train, dataset, 0)
        micro_batch_tokens = check_memory(
            updater, dev, dataset, plan, epoch=0, length_multiple=pace.length_multiple
        )
        with feed(micro_batch_tokens=micro_batch_tokens) as batches:
            seconds, processor_share = measure_updates(updater, batches, pace, deadline)
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


def encoded(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, limits: DataSettings) -> Shard:
    """Return the pairs that cleaning keeps, encoded in memory."""
    chunks = [chunk.pairs for chunk in encode_pairs(starmap(Pair, pairs), tokenizer, limits)]
    lengths = numpy.concatenate([chunk.lengths for chunk in chunks])
    offsets = numpy.zeros(len(lengths) + 1, OFFSET)
    lengths.cumsum(out=offsets[1:])
    lines = numpy.concatenate([chunk.lines for chunk in chunks]).astype(LINE)
    return Shard(numpy.concatenate([chunk.ids for chunk in chunks]), offsets, lines)


def measure_updates(
    updater: Updater, batches: Feed, pace: Pace, deadline: float
) -> tuple[list[float], float]:
    """Measure updates, one after the other as in a training, after a warm-up.

    Return the seconds of each, and the share of the processor's time that the threads of this
    process had; it is 1 if there is a GPU. deadline: as `perf_counter` counts, when to end after
    the fewest updates.
    """
    started: deque[StartedUpdate] = deque()
    seconds: list[float] = []
    begun = since = perf_counter()
    warm_since = worked = 0.0  # seconds; 0: not warm yet
    for number in count(1):
        batch = next(batches)
        started.append(updater.start(batch.share, number, batch.counts, None))
        while len(started) > pace.late_results:
            started.popleft().result()
        now = perf_counter()
        last, since = now - since, now
        if warm_since:
            seconds.append(last)
            is_enough = len(seconds) >= MOST_UPDATES or now - warm_since >= MOST_SECONDS
            if is_enough or (len(seconds) >= FEWEST_UPDATES and now >= deadline):
                break
        elif last >= SLOW_SECONDS or (number >= WARM_UP_UPDATES and now - begun >= WARM_UP_SECONDS):
            warm_since, worked = now, process_time()
    while started:
        started.popleft().result()
    share = 1.0
    if updater.device.type == "cpu":
        share = (process_time() - worked) / (since - warm_since) / torch.get_num_threads()
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
