"""Import the model of another program as a model file."""

import re
from pathlib import Path

from nmt.config import DataSettings, Recipe, TokenizerSettings
from nmt.errors import NmtError, UsageError
from nmt.interop.opus.folders import read_opus_mt
from nmt.interop.opus.model import OpusModel
from nmt.recipe.rules import check_recipe
from nmt.runs.model_file import ModelFile, save_model
from nmt.runs.outputs import check_output
from nmt.system.files import entries
from nmt.system.log import note
from nmt.text.reading.languages import is_language
from nmt.text.subwords.tokenizer import Tokenizer

COMMAND = "import"  # that may replace what is written here
NAMED = re.compile(r"opus-mt-(?:tc-(?:base|big|small|tiny)-)?([a-z]{2,3})-([a-z]{2,3})(?![a-z])")
MOST_TOKENS = 5  # in a message
PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")


def import_model(path: Path, output: Path, languages: str) -> Recipe:
    """Write the model of another program as a model file, and return its recipe.

    Args:
        path: a folder, as Hugging Face or Marian lay it out, or Marian's .npz file in one.
        output: the model file. It does not replace a model of another command.
        languages: such as "en-de"; "" if the model's files or its name say it.

    Notes say what a user should know. Raises NmtError, which names the file, for files that are
    missing, damaged or of another network; nothing is written then.
    """
    wanted = parse_languages(languages)
    sources = entries(path) if path.is_dir() else [path]
    check_output(output, sources, "-o", command=COMMAND)
    model = read_opus_mt(path)
    recipe = make_recipe(model, path, wanted)
    tokenizer = model.tokenizer(path)
    save_model(output, ModelFile(model.weights(), tokenizer.model, recipe, ()), COMMAND)
    tell(recipe, tokenizer)
    return recipe


def make_recipe(model: OpusModel, path: Path, languages: tuple[str, str] | None) -> Recipe:
    """Return the recipe of an imported model; raises NmtError if its settings are not usable."""
    source, target = languages or known_languages(model, path)
    name = re.sub(r"[^\w.-]+", "_", path.resolve().name).strip("._") or "imported"
    recipe = Recipe(
        name,
        DataSettings(source_language=source, target_language=target),
        TokenizerSettings(model.size, kind="imported", joint=model.is_joint),
        model.settings,
        decode=model.decode,
    )
    try:
        check_recipe(recipe)
    except NmtError as error:
        raise NmtError(f"{path}: its model cannot be imported: {error}") from error
    return recipe


def parse_languages(text: str) -> tuple[str, str] | None:
    """Return the codes in a text such as "en-de"; None if it is empty."""
    if not text:
        return None
    found = PAIR.fullmatch(text)
    if not found or not all(map(is_language, found.groups())):
        raise UsageError(f"--languages is {text!r}; give two ISO 639 codes, such as en-de")
    return found[1], found[2]


def known_languages(model: OpusModel, path: Path) -> tuple[str, str]:
    """Return the languages that a model's name or its files state.

    Raises UsageError if they do not.
    """
    full = path.resolve()
    found = NAMED.search(full.name if full.is_dir() else f"{full.parent.name}/{full.name}")
    source, target = found.groups() if found else model.languages
    if not is_language(source) or not is_language(target):
        raise UsageError(
            f"{path} does not say which languages its model translates; add --languages, such as"
            " --languages en-de"
        )
    return source, target


def tell(recipe: Recipe, tokenizer: Tokenizer) -> None:
    """Print notes on what an imported model needs from its user."""
    note(
        f"the search uses decode.beam_size={recipe.decode.beam_size} and"
        f" decode.length_penalty={recipe.decode.length_penalty:g}: the values in the model's files,"
        " or defaults where the files have none"
    )
    note(
        "the length penalty has another formula than in the model's own program, so outputs may be"
        " longer or shorter"
    )
    tokens = tokenizer.source.language_tokens
    if tokens:
        listed = ", ".join(tokens[:MOST_TOKENS]) + (", ..." if len(tokens) > MOST_TOKENS else "")
        note(
            "the model writes several languages: choose one of its"
            f" {len(tokens):,} language tokens with --to, such as {listed}"
        )
