"""The report of one or several runs: `nmt/studio/pages/report/` with what their folders say.

A run folder is read without torch. Parts that are missing or damaged are left out.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy

from nmt.config import DECLARED, SECTIONS, Recipe
from nmt.documents.registry import bilingual_reader
from nmt.errors import NmtError, join_words, shorten_reason
from nmt.evaluation.card import read_cards
from nmt.evaluation.metrics import score_measure
from nmt.recipe.paper import compare
from nmt.recipe.toml import toml_value
from nmt.runs.history import History, Record, read_history
from nmt.runs.model_file import open_model
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import distinct_names
from nmt.studio.diagnosis.checks import diagnose
from nmt.studio.diagnosis.training import Finding, Training
from nmt.studio.pages.page import render_charts
from nmt.system.atomic import write_text
from nmt.system.files import is_present
from nmt.system.log import note
from nmt.text.facts import token_facts
from nmt.text.manifest import Manifest, PreparedFolder
from nmt.text.prepare import open_prepared, read_dev_pairs, shard_name
from nmt.text.reading.corpus import DataFolder, DevPairs
from nmt.text.shards import Shard, open_shard
from nmt.text.subwords.tokenizer import load_tokenizer

TRAIN_METRICS = ("loss", "perplexity", "learning_rate", "tokens_per_second", "gradient_norm")
DEV_METRICS = ("loss", "perplexity", "score")
LONGEST = 100  # tokens; the last bin of a histogram also counts longer segments

Data = dict[str, Any]


def try_write_report(run: RunFolder) -> None:
    """Write a run's report into its folder; if that fails, print a note instead of raising.

    The training that calls this has succeeded, whatever its report runs into.
    """
    try:
        check_output(run.report, option="the page")
        write_text(run.report, render_report([run]))
    except NmtError as error:
        note(f"no report was written: {error}")
    except Exception as error:
        reason = f"{type(error).__name__}: {shorten_reason(error)}"
        note(f"no report was written because of a bug in this program: {reason}")
    else:
        note(f"report: {run.report}")


def render_report(runs: Sequence[RunFolder]) -> str:
    """Return the HTML of the report; raises NmtError as `run_data` does."""
    names = distinct_names([run.path for run in runs])
    data = [run_data(run, name) for run, name in zip(runs, names, strict=True)]
    title = join_words(names)
    kicker = "Report of the run" if len(runs) == 1 else f"Report of {len(runs)} runs"
    texts = {"title": title, "kicker": kicker}
    return render_charts("report", {"runs": data}, f"Report of {title}", texts)


def stored_parameters(run: RunFolder) -> int | None:
    """Return the number of parameters by the header of the run's model file, None without one."""
    try:
        with open_model(run.translation_model()) as model:
            return model.parameters
    except NmtError:
        return None


def run_data(run: RunFolder, name: str) -> Data:
    """Return the data of one run, which the page's scripts draw.

    name: what the page calls the run. Notes tell what is missing or damaged. Raises NmtError if the
    folder is not a run folder or has no metrics yet.
    """
    if not run.recipe.is_file():
        raise NmtError(f"{run.path} is not a run folder: it has no recipe.toml")
    recipe = run.load_recipe()
    history = read_history(run.metrics, recipe, note)
    if not history.records:
        raise NmtError(f"{run.metrics} reports no update yet; train the run with `nmt train`")
    cards = read_cards(run.path, note)
    corpora, problems = read_corpora(recipe, run)
    for problem in problems:
        note(problem)
    last, best, average = history.records[-1], history.best, history.average
    pairs = recipe.data.known_directions
    return {
        "name": name,
        "recipe": recipe.name,
        "measure": score_measure(recipe).name,
        "directions": [*map(" → ".join, pairs)],
        "languages": pairs[0] if len(pairs) == 1 else ["", ""],  # of the samples
        "updates": last.update,
        "epochs": last.epoch,
        "seconds": last.seconds,
        "skipped": len(history.skipped_updates),
        "parameters": stored_parameters(run),
        "best": asdict(best.metrics) if best else None,
        "average": asdict(average.metrics) if average else None,
        "findings": [
            {**asdict(fault), "heading": fault.heading} for fault in find_faults(run, history)
        ],
        "curves": {
            "train": curves(history.train_records, TRAIN_METRICS),
            "dev": curves(history.validations, DEV_METRICS),
            "directions": direction_curves(history),
        },
        "samples": [
            {"update": line.update, "kind": line.kind, "samples": [*map(asdict, line.samples)]}
            for line in history.scored
            if line.samples
        ],
        **recipe_data(recipe),
        "corpus": corpora,
        "corpus_problems": problems,
        "cards": [*cards],
    }


def find_faults(run: RunFolder, history: History) -> tuple[Finding, ...]:
    """Return what stands out in a run's training, as `nmt train` prints it.

    Without the prepared text or the dev set, what follows from them is left out.
    """
    recipe, facts = history.recipe, None
    dev_pairs: DevPairs = {}
    with suppress(NmtError):
        if is_present(run.memory):
            dev_pairs = read_dev_pairs(recipe, DataFolder(run.data_dir(), bilingual_reader))
    with suppress(NmtError, ValueError):  # ValueError: numbers that no intact shard has
        prepared = open_prepared(recipe, run.prepared_folder())
        texts = [*chain.from_iterable(dev_pairs.values())]
        facts = token_facts(prepared.shards, prepared.tokenizer, texts, recipe.data)
    return diagnose(Training.of(recipe, history.records, facts, str(run.path)))


def curves(records: Sequence[Record], metrics: Sequence[str]) -> dict[str, Data]:
    """Return the curves of some metrics, which are names of the records' fields.

    A value is None where it was no finite number.
    """
    updates = [record.update for record in records]
    return {
        metric: {
            "updates": updates,
            "values": [rounded(getattr(record, metric)) for record in records],
        }
        for metric in metrics
    }


def direction_curves(history: History) -> dict[str, Data]:
    """Return the curve of the dev score of each direction; none if there is one direction."""
    found: dict[str, Data] = {}
    for record in history.validations:
        for direction, score in (record.by_direction or {}).items():
            curve = found.setdefault(direction, {"updates": [], "values": []})
            curve["updates"].append(record.update)
            curve["values"].append(rounded(score))
    return found


def rounded(value: float | None) -> float | None:
    """Return a value with 6 significant digits, which is more than a curve can show."""
    return None if value is None else float(f"{value:.6g}")


def recipe_data(recipe: Recipe) -> Data:
    """Return a recipe's deviations from the nearest row of the paper, and all its settings.

    The settings are as TOML writes them.
    """
    meanings = {name: declared.metadata["meaning"] for name, declared in DECLARED.items()}
    comparison = compare(recipe)
    deviations = [
        {**asdict(deviation), "meaning": meanings.get(deviation.setting, "")}
        for deviation in comparison.deviations
    ]
    return {
        "paper": {"row": comparison.row.title, "deviations": deviations},
        "settings": {
            section: {
                key: toml_value(value) for key, value in asdict(getattr(recipe, section)).items()
            }
            for section in SECTIONS
        },
    }


def read_corpora(recipe: Recipe, run: RunFolder) -> tuple[list[Data], list[str]]:
    """Return the counts of each training corpus, and a sentence for each that cannot be read."""
    try:
        # The tokenizer's size decides how wide a shard's integers are. The recipe's vocab_size does
        # not: a word tokenizer may have fewer entries.
        vocab_size = len(load_tokenizer(run.tokenizer))
        manifest = Manifest(PreparedFolder(run.path, run.tokenizer, run.prepared, in_use=False))
    except NmtError as error:
        return [], [f"no statistics of the training text: {error}"]
    corpora, problems = [], [manifest.damage] if manifest.damage else []
    for index, files in enumerate(recipe.data.train):
        name = shard_name(index)
        counts = manifest.steps[name].counts if name in manifest.steps else {}
        try:
            shard = open_shard(run.prepared, name, vocab_size)
            languages = recipe.data.find_languages(files)
            found = count_corpus(counts, shard)
            corpora.append({"files": files.title, "languages": languages, **found})
        except NmtError as error:
            problems.append(f"no statistics of {files.title}: {error}")
        except ValueError:
            path = run.prepared / f"{name}.offsets"
            problems.append(f"no statistics of {files.title}: {path} is damaged")
    return corpora, problems


def count_corpus(counts: Mapping[str, int], shard: Shard) -> Data:
    """Return the counts of one corpus after cleaning, read block by block.

    Tokens do not include EOS; lengths are the segments of 0, 1, ... LONGEST or more tokens.
    counts: of its preparation. Raises ValueError if offsets decrease, which they never do in an
    intact shard.
    """
    lengths = numpy.zeros((2, LONGEST + 1), numpy.int64)
    tokens = [0, 0]
    for block in shard.lengths():
        for side, numbers in enumerate(block):
            tokens[side] += int(numbers.sum())
            lengths[side] += numpy.bincount(numbers.clip(max=LONGEST), minlength=LONGEST + 1)
    return {
        "kept": len(shard),
        "dropped": {reason: count for reason, count in counts.items() if reason != "kept"},
        "source_tokens": tokens[0],
        "target_tokens": tokens[1],
        "source_lengths": lengths[0].tolist(),
        "target_lengths": lengths[1].tolist(),
    }
