"""Write a model card in the form of the Hugging Face Hub: the README.md of an exported model.

Everything comes from the model file and its run folder, which has evaluation cards and the scores
of validations. What they do not say is left out. Text from users stands in code spans, where it is
no markup; at the start, in the YAML by which the Hub finds models, it is quoted.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any

from nmt import __version__
from nmt.config import SEPARATOR, DecodeSettings, Recipe
from nmt.errors import DamagedError, printable
from nmt.evaluation.card import read_cards
from nmt.evaluation.markdown import code, recipe_block, table
from nmt.evaluation.metrics import ERROR_RATE, score_measure
from nmt.evaluation.results import Direction
from nmt.recipe.paper import compare
from nmt.recipe.size import count_parameters
from nmt.runs.history import read_history
from nmt.runs.model_file import open_model
from nmt.runs.run_folder import RunFolder, find_run, model_metadata
from nmt.runs.trained_model import TrainedModel
from nmt.system.files import compute_sha256, in_utf_8
from nmt.system.json_data import convert, json_text
from nmt.system.log import note

UNKNOWN_LICENCE = "unknown"
HUB_METRICS = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter"}  # the Hub's names
OF_SACREBLEU = re.compile(r"\w+(?:/[\w.]+)* \w{2,3}-\w{2,3}")  # such as wmt14/full en-de


@dataclass(frozen=True)
class Usage:
    """The program that a format is for, and how it loads the model."""

    program: str
    text: str  # Markdown
    library: str = ""  # the Hub's name of the program
    language: str = ""  # Markdown: how to name the language to write


TEXTS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("card_texts.toml").read_text(encoding="utf-8")
)
USAGES = {to: Usage(**usage) for to, usage in TEXTS["usages"].items()}


def model_card(model: TrainedModel, to: str, licence: str = "", quantization: str = "") -> str:
    """Return the text of a model card.

    Args:
        model: the exported model.
        to: the format, a name in `USAGES`.
        licence: of the model, such as apache-2.0; "" is unknown.
        quantization: of the exported weights; "" if they are those of the model file.

    Prints a note on each damaged file of the run, which is left out.
    """
    run, usage = find_run(model.path), USAGES[to]
    has_run = run.recipe.is_file()
    dev_score = validation_score(run, model.path) if has_run else ""
    scores = card_scores(run.path, compute_sha256(model.path)) if has_run else []
    parts = [
        front_matter(card_fields(model.recipe, usage, scores, licence)),
        *introduction(model, usage, quantization),
        *use_parts(model, usage),
        *score_parts(scores, dev_score),
        *corpus_parts(model.recipe),
        licence_part(licence),
        *setting_parts(model.recipe),
        f"## Citation\n\n{TEXTS['citation']}",
    ]
    return in_utf_8("\n\n".join(parts) + "\n")


@dataclass(frozen=True)
class KnownScore:
    """A score of a model on a test set, and how it was found."""

    test_set: str
    segments: int
    metric: str
    value: float
    signature: str
    search: str  # such as "beam 4, α 0.6"; "": the card does not say
    direction: str = ""  # such as en-de; "": the model has one


def card_fields(
    recipe: Recipe, usage: Usage, scores: Iterable[KnownScore], licence: str
) -> dict[str, Any]:
    """Return the fields that the Hub searches by."""
    shown = [score for score in scores if score.metric in HUB_METRICS]
    is_translation = recipe.data.metric != ERROR_RATE
    languages = dict.fromkeys(chain(*recipe.data.known_directions))
    fields: dict[str, Any] = {"language": [*languages], **licence_fields(licence)}
    if usage.library:
        fields["library_name"] = usage.library
    if is_translation:
        fields["pipeline_tag"] = "translation"
    fields["tags"] = [*(["translation"] if is_translation else []), "nmt"]
    if shown:
        fields["metrics"] = [*dict.fromkeys(HUB_METRICS[score.metric] for score in shown)]
        fields["model-index"] = [{"name": recipe.name, "results": hub_results(recipe, shown)}]
    return fields


def hub_results(recipe: Recipe, scores: Sequence[KnownScore]) -> list[Any]:
    """Return the scores of each test set as the Hub shows them; it knows all the metrics."""
    own = "-".join(recipe.data.known_directions[0])
    pairs = {score.test_set: score.direction or own for score in scores}
    return [
        {
            "task": {"type": "translation", "name": f"Translation {pair}"},
            "dataset": {"type": name, "name": name},
            "metrics": [
                {
                    "type": HUB_METRICS[score.metric],
                    "value": round(score.value, 2),
                    "name": score.metric,
                    "args": {"signature": score.signature},
                }
                for score in scores
                if score.test_set == name
            ],
        }
        for name, pair in pairs.items()
    ]


def licence_fields(licence: str) -> dict[str, Any]:
    """Return the fields that state a licence; "" is unknown.

    licence: an identifier of the Hub such as apache-2.0, or the name of another licence.
    """
    known = (licence or UNKNOWN_LICENCE).lower()
    if known in TEXTS["licences"].split():
        return {"license": known}
    return {"license": "other", "license_name": licence}


def front_matter(fields: Mapping[str, Any]) -> str:
    """Return fields as a YAML block between two lines of three dashes.

    The values are JSON, which is YAML: every text is quoted, so that a language such as `no` is no
    boolean and nothing is markup. The escapes of `printable` are those of YAML.
    """
    lines = [f"{key}: {printable(json_text(value))}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def introduction(model: TrainedModel, usage: Usage, quantization: str) -> list[str]:
    """Return the heading and what the model is."""
    recipe = model.recipe
    pairs = [f"{code(source)} to {code(target)}" for source, target in recipe.data.known_directions]
    maps = f"translates {', '.join(pairs)}"
    if len(pairs) == 1:
        maps = f"maps text in {pairs[0].replace(' to ', ' to text in ')}"
    made_by = model_metadata(model.path).get("nmt_version")
    made = f" The model was made with nmt {code(made_by)}." if made_by else ""
    number = count_parameters(recipe.model, len(model.tokenizer))
    quantised = " Its matrices were in 8 bits before." if model.eight_bits else ""
    if quantization:
        quantised = (
            f" Its weights are quantised to {code(quantization)}; the scores below, if any, are of"
            " the weights before."
        )
    return [
        f"# {code(recipe.name)}",
        f"A Transformer with {number:,} parameters that {maps}."
        f" This copy is for {usage.program}.{made} nmt {code(__version__)} exported it."
        f"{quantised}",
    ]


def use_parts(model: TrainedModel, usage: Usage) -> list[str]:
    """Return the section of use, with notes on language tokens, context and the output's order."""
    parts, data = [f"## Use\n\n{usage.text}"], model.recipe.data
    if tokens := model.tokenizer.source.language_tokens:
        listed = ", ".join(map(code, tokens))
        parts.append(
            "The first token of each source names the language to write. It is no part of the text:"
            f" {usage.language.replace('CODE', tokens[0][2:-2])}\n\nThe model has {listed}."
        )
    if data.context:
        parts.append(
            f"In a document, `nmt translate` puts earlier sentences, up to {data.context}, before"
            f" each sentence, on both sides, and a token {code(SEPARATOR)} after each of them."
            " Other programs translate sentences alone."
        )
    if model.recipe.model.is_right_to_left:
        parts.append(
            "The model writes each translation from its last token to its first. Reverse the tokens"
            " of an output before you join them; `nmt translate` does so."
        )
    return parts


def score_parts(scores: Sequence[KnownScore], dev_score: str) -> list[str]:
    """Return the section of scores; none if nothing is known."""
    parts = ["## Scores"] if scores or dev_score else []
    if scores:
        rows = [
            (
                code(score.test_set),
                f"{score.segments:,}",
                code(score.metric),
                f"{score.value:.2f}",
                score.search,
                code(score.signature),
            )
            for score in scores
        ]
        heads = ("test set", "segments", "metric", "score", "search", "signature")
        parts += [
            "They were measured with nmt before the export. Another program may search in another"
            " way.",
            table(heads, rows),
        ]
    return [*parts, dev_score] if dev_score else parts


def corpus_parts(recipe: Recipe) -> list[str]:
    """Return the section of the texts that the model was trained on; none if they are unknown."""
    data = recipe.data
    if not data.train:
        return []
    rows = [("training", code(files.title)) for files in data.train]
    rows += [("validation", code(files.title)) for files in data.dev]
    parts = ["## Text", table(("used for", "files"), rows)]
    if used := data.find_downloads((*data.train, *data.dev, *data.test.values())):
        urls = [f"- {code(download.url)}" for download in used]
        parts.append("\n".join(["The files come from:", "", *urls]))
    return parts


def licence_part(licence: str) -> str:
    """Return the section of the licence."""
    if not licence or licence.lower() == UNKNOWN_LICENCE:
        return (
            "## Licence\n\nThe licence of this model is not known. It depends on the texts that the"
            " model was trained on."
        )
    return f"## Licence\n\n{code(licence)}"


def setting_parts(recipe: Recipe) -> list[str]:
    """Return the sections of deviations from the paper and of all settings."""
    found = compare(recipe)
    parts = [f"The settings are those of the paper, {found.row.title}."]
    if found.deviations:
        nearest = f"The nearest model of the paper is that of {found.row.title}. What differs:"
        parts = [nearest, "\n".join(f"- {code(deviation)}" for deviation in found.deviations)]
    return ["## Settings", *parts, "All settings:", recipe_block(recipe)]


@dataclass(frozen=True)
class CardScore:
    """A score in an evaluation card."""

    signature: str
    value: float | None = None  # None: not a finite number


@dataclass(frozen=True)
class CardResult:
    """A test set in an evaluation card."""

    test_set: str
    segments: int
    scores: dict[str, CardScore]
    sha256: dict[str, Any] = field(default_factory=dict)  # of its texts
    direction: Direction | None = None


@dataclass(frozen=True)
class CardModel:
    """Hold what an evaluation card says about a model and its search."""

    sha256: str
    results: tuple[CardResult, ...]
    model: str = ""  # path; "": a file of translations was scored
    decode: dict[str, Any] = field(default_factory=dict)
    ensemble_with: tuple[Any, ...] = ()
    engine: str = ""  # "": this program searched


def card_scores(folder: Path, sha256: str) -> list[KnownScore]:
    """Return the scores of a model file in the evaluation cards of a folder, in the cards' order.

    A card counts if it has the SHA-256 of the file; the newest card of a test set counts.
    """
    found: dict[tuple[str, str], KnownScore] = {}
    names: dict[str, str] = {}  # of test sets, as shown, by their texts
    for card in read_cards(folder, note):
        try:
            content = convert(card, CardModel, card["file"])
        except DamagedError as error:
            note(f"left out: {error}")
            continue
        usual = {"method": DecodeSettings.method, "mbr": DecodeSettings.mbr}  # those of beam search
        is_usual = all(content.decode.get(key, value) == value for key, value in usual.items())
        is_other = content.ensemble_with or content.engine or not content.model or not is_usual
        if content.sha256 != sha256 or is_other:
            continue
        beam, alpha = map(content.decode.get, ("beam_size", "length_penalty"))
        search = "" if beam is None else f"beam {beam}"
        search += f", α {alpha:g}" if search and alpha is not None else ""
        for result in content.results:
            texts = json_text(result.sha256) if result.sha256 else result.test_set
            name = names.setdefault(texts, new_name(result.test_set, names.values()))
            pair = str(result.direction or "")
            for metric, score in result.scores.items():
                if score.value is not None:
                    found[name, metric] = KnownScore(
                        name, result.segments, metric, score.value, score.signature, search, pair
                    )
    return [*found.values()]


def new_name(name: str, taken: Iterable[str]) -> str:
    """Return the name of a test set; of a file, without folders. A second of a name gets "(2)".

    Cards are published, so they must not name folders of their author's machine.
    """
    first = name if OF_SACREBLEU.fullmatch(name) else PurePath(name).name
    names = chain([first], (f"{first} ({number})" for number in count(2)))
    return next(free for free in names if free not in {*taken})


def validation_score(run: RunFolder, file: Path) -> str:
    """Return a sentence on the score of a model file on the dev set; "" if it is not recorded.

    A validation counts if the file holds the weights of just these updates.
    """
    with open_model(file) as model:
        updates = model.updates
    recipe = run.load_recipe()
    if recipe.train.moving_average and not any(
        model_file.exists() and model_file.samefile(file) for model_file in (run.model, run.best)
    ):
        return ""  # validated were moving averages, no checkpoints or their means
    found = read_history(run.metrics, recipe).validation(updates)
    if found is None or found.score is None:
        return ""
    return f"{code(score_measure(recipe).name)} on the dev set: {found.score:.2f}."
