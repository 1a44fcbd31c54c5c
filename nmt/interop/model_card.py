"""Write a model card in the form of the Hugging Face Hub: the README.md of an exported model.

Everything comes from the model file and its run folder. What they do not say is left out. Text from
users stands in code spans, where it is no markup.
"""

from collections.abc import Callable
from pathlib import PurePosixPath

from nmt import __version__
from nmt.config import Recipe
from nmt.evaluation.markdown import code, printable, recipe_block, table
from nmt.evaluation.metrics import ERROR_RATE
from nmt.interop.front_matter import UNKNOWN_LICENCE, Yaml, front_matter, licence_fields
from nmt.interop.known_scores import KnownScores, known_scores
from nmt.interop.usage import USAGES, Usage
from nmt.recipe.paper import compare
from nmt.recipe.size import count_parameters
from nmt.runs.run_folder import model_metadata
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import note

# The Hub's names of metrics.
HUB_METRICS = {"BLEU": "bleu", "chrF2": "chrf", "TER": "ter"}

CITATION = """\
```bibtex
@inproceedings{vaswani2017attention,
  title     = {Attention Is All You Need},
  author    = {Vaswani, Ashish and Shazeer, Noam and Parmar, Niki and Uszkoreit, Jakob and
               Jones, Llion and Gomez, Aidan N. and Kaiser, {\\L}ukasz and Polosukhin, Illia},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {30},
  year      = {2017},
  url       = {https://arxiv.org/abs/1706.03762}
}
```"""


def model_card(
    model: TrainedModel,
    to: str,
    licence: str = "",
    quantization: str = "",
    notify: Callable[[str], None] = note,
) -> str:
    """Return the text of a model card.

    Args:
        model: the exported model.
        to: the format, a name in `USAGES`.
        licence: of the model, such as apache-2.0; "" is unknown.
        quantization: of the exported weights; "" if they are those of the model file.
        notify: receives a note on each damaged file of the run, which is left out.
    """
    scores = known_scores(model.path, notify)
    usage = USAGES[to]
    parts = [
        front_matter(card_fields(model.recipe, usage, scores, licence)),
        *introduction(model, usage, quantization),
        f"## Use\n\n{usage.text}",
        *order_part(model.recipe),
        *score_parts(scores),
        *corpus_parts(model.recipe),
        licence_part(licence),
        *setting_parts(model),
        f"## Citation\n\n{CITATION}",
    ]
    return printable("\n\n".join(parts) + "\n")


def card_fields(recipe: Recipe, usage: Usage, scores: KnownScores, licence: str) -> dict[str, Yaml]:
    """Return the fields that the Hub searches by."""
    is_translation = recipe.data.metric != ERROR_RATE
    languages = [recipe.data.source_language, recipe.data.target_language]
    fields: dict[str, Yaml] = {"language": [*dict.fromkeys(languages)], **licence_fields(licence)}
    if usage.library:
        fields["library_name"] = usage.library
    if is_translation:
        fields["pipeline_tag"] = "translation"
    fields["tags"] = [*(["translation"] if is_translation else []), "nmt"]
    names = [HUB_METRICS[each.metric] for each in scores.tests if each.metric in HUB_METRICS]
    if names:
        fields["metrics"] = [*dict.fromkeys(names)]
        fields["model-index"] = [{"name": recipe.name, "results": hub_results(recipe, scores)}]
    return fields


def hub_results(recipe: Recipe, scores: KnownScores) -> list[Yaml]:
    """Return the scores of each test set as the Hub shows them."""
    pair = f"{recipe.data.source_language}-{recipe.data.target_language}"
    known = [each for each in scores.tests if each.metric in HUB_METRICS]
    return [
        {
            "task": {"type": "translation", "name": f"Translation {pair}"},
            "dataset": {"type": name, "name": name},
            "metrics": [
                {
                    "type": HUB_METRICS[each.metric],
                    "value": round(each.value, 2),
                    "name": each.metric,
                    "args": {"signature": each.signature},
                }
                for each in known
                if each.test_set == name
            ],
        }
        for name in dict.fromkeys(each.test_set for each in known)
    ]


def introduction(model: TrainedModel, usage: Usage, quantization: str) -> list[str]:
    """Return the heading and what the model is."""
    recipe = model.recipe
    source, target = code(recipe.data.source_language), code(recipe.data.target_language)
    made_by = model_metadata(model.path).get("nmt_version")
    made = f" The model was made with nmt {code(made_by)}." if made_by else ""
    number = count_parameters(recipe.model, len(model.tokenizer))
    quantised = ""
    if quantization:
        quantised = (
            f" Its weights are quantised to {code(quantization)}; the scores below, if any, are of"
            " the weights before."
        )
    return [
        f"# {code(recipe.name)}",
        f"A Transformer with {number:,} parameters that maps text in {source} to text in {target}."
        f" This copy is for {usage.program}.{made} nmt {code(__version__)} exported it."
        f"{quantised}",
    ]


def order_part(recipe: Recipe) -> list[str]:
    """Return a paragraph on the order of the output's tokens, if it is not that of the text."""
    if not recipe.model.is_right_to_left:
        return []
    return [
        "The model writes each translation from its last token to its first. Reverse the tokens of"
        " an output before you join them; `nmt translate` does so."
    ]


def score_parts(scores: KnownScores) -> list[str]:
    """Return the section of scores; none if nothing is known."""
    if not scores.tests and scores.dev_score is None:
        return []
    parts = ["## Scores"]
    if scores.tests:
        rows = [
            (
                code(each.test_set),
                f"{each.segments:,}",
                code(each.metric),
                f"{each.value:.2f}",
                search(each.beam_size, each.length_penalty),
                code(each.signature),
            )
            for each in scores.tests
        ]
        heads = ("test set", "segments", "metric", "score", "search", "signature")
        parts += [
            "They were measured with nmt before the export. Another program may search in another"
            " way.",
            table(heads, rows),
        ]
    if scores.dev_score is not None:
        parts.append(f"{code(scores.dev_metric)} on the dev set: {scores.dev_score:.2f}.")
    return parts


def search(beam_size: int | None, length_penalty: float | None) -> str:
    """Return how translations were found; "" if that is not known."""
    if beam_size is None:
        return ""
    return f"beam {beam_size}" + ("" if length_penalty is None else f", α {length_penalty:g}")


def corpus_parts(recipe: Recipe) -> list[str]:
    """Return the section of the texts that the model was trained on; none if they are unknown."""
    if not recipe.data.train:
        return []
    rows = [("training", code(each.title)) for each in recipe.data.train]
    rows += [("validation", code(each.title)) for each in recipe.data.dev]
    parts = ["## Text", table(("used for", "files"), rows)]
    texts = (*recipe.data.train, *recipe.data.dev, *recipe.data.test.values())
    names = {PurePosixPath(name) for each in texts for name in each.names}
    # A recipe may inherit downloads that it does not use.
    if used := [each for each in recipe.data.downloads if names & {*each.files}]:
        urls = [f"- {code(each.url)}" for each in used]
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


def setting_parts(model: TrainedModel) -> list[str]:
    """Return the sections of deviations from the paper and of all settings."""
    recipe = model.recipe
    row, deviations = compare(recipe).row, compare(recipe).deviations
    parts = ["## Settings", f"The settings are those of the paper, {row.title}."]
    if deviations:
        nearest = f"The nearest model of the paper is that of {row.title}. What differs:"
        parts = ["## Settings", nearest, "\n".join(f"- {code(each)}" for each in deviations)]
    return [*parts, "All settings:", recipe_block(recipe)]
