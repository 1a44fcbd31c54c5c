"""Import the model of another program as a model file."""

import re
from collections.abc import Sequence
from pathlib import Path

from nmt.config import DataSettings, Recipe, TokenizerSettings
from nmt.errors import NmtError, UsageError
from nmt.interop import huggingface_folder, marian_folder
from nmt.interop.huggingface_folder import CONFIG
from nmt.interop.marian_model import MarianModel
from nmt.recipe.rules import check_recipe
from nmt.runs.model_file import save_model
from nmt.runs.outputs import check_output
from nmt.system.files import check_regular, entries, is_present
from nmt.system.log import Notify
from nmt.text.languages import is_language
from nmt.text.tokenizer import Tokenizer

COMMAND = "import"  # that may replace what is written here
NAMED = re.compile(r"opus-mt-(?:tc-(?:base|big|small|tiny)-)?([a-z]{2,3})-([a-z]{2,3})(?![a-z])")
PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})")


def import_model(path: Path, output: Path, languages: str, notify: Notify) -> Recipe:
    """Write the model of another program as a model file, and return its recipe.

    Args:
        path: a folder, as Hugging Face or Marian lay it out, or Marian's .npz file in one.
        output: the model file. It does not replace a model of another command.
        languages: such as "en-de"; "" if the model's files or its name say it.
        notify: receives what a user should know.

    Raises NmtError, which names the file, for files that are missing, damaged or of another
    network; nothing is written then.
    """
    wanted = parsed_languages(languages)
    sources = entries(path) if path.is_dir() else [path]
    check_output(output, sources, "-o", command=COMMAND)
    model = read_model(path)
    recipe = recipe_of(model, path, wanted)
    names = [f"the {side} model of {path}" for side in ("source", "target")]
    tokenizer = model.vocabulary.tokenizer(names)
    save_model(output, model.weights(), tokenizer.model, recipe, (), COMMAND)
    tell(recipe, tokenizer, notify)
    return recipe


def read_model(path: Path) -> MarianModel:
    """Return what the files at a path say about their model."""
    if not is_present(path):
        raise NmtError(f"{path} does not exist; name the folder of a model")
    for each in entries(path) if path.is_dir() else [path]:
        if each.exists() and not each.is_dir():
            check_regular(each, "the file")  # reading a pipe could wait for ever
    if is_present(path / CONFIG):
        return huggingface_folder.read_folder(path)
    if file := marian_folder.find_npz(path):
        return marian_folder.read_folder(file)
    raise NmtError(
        f"{path} is not a model that nmt can import; name a folder with {CONFIG}, or one with the"
        " .npz file of Marian"
    )


def recipe_of(model: MarianModel, path: Path, languages: tuple[str, str] | None) -> Recipe:
    """Return the recipe of an imported model; raises NmtError if its settings are not usable."""
    source, target = languages or known_languages(model, path)
    rows = model.vocabulary.rows(model.start)
    recipe = Recipe(
        recipe_name(path),
        DataSettings(source_language=source, target_language=target),
        TokenizerSettings(len(rows.target), kind="imported", joint=model.is_joint),
        model.settings,
        decode=model.decode,
    )
    try:
        check_recipe(recipe)
    except NmtError as error:
        raise NmtError(f"{path}: its model cannot be imported: {error}") from error
    return recipe


def parsed_languages(text: str) -> tuple[str, str] | None:
    """Return the codes in a text such as "en-de"; None if it is empty."""
    if not text:
        return None
    found = PAIR.fullmatch(text)
    if not found or not all(map(is_language, found.groups())):
        raise UsageError(f"--languages is {text!r}; give two ISO 639 codes, such as en-de")
    return found[1], found[2]


def known_languages(model: MarianModel, path: Path) -> tuple[str, str]:
    """Return the languages that a model's name or its files state.

    Raises UsageError if they do not.
    """
    place = path.resolve()
    found = NAMED.search(place.name if place.is_dir() else f"{place.parent.name}/{place.name}")
    source, target = found.groups() if found else model.languages
    if not is_language(source) or not is_language(target):
        raise UsageError(
            f"{path} does not say which languages its model translates; add --languages, such as"
            " --languages en-de"
        )
    return source, target


def recipe_name(path: Path) -> str:
    """Return a name for the recipe of a model: that of its folder."""
    return re.sub(r"[^\w.-]+", "_", path.resolve().name).strip("._") or "imported"


def tell(recipe: Recipe, tokenizer: Tokenizer, notify: Notify) -> None:
    """Notify what an imported model needs from its user."""
    notify(
        f"the search uses decode.beam_size={recipe.decode.beam_size} and"
        f" decode.length_penalty={recipe.decode.length_penalty:g}: the values in the model's files,"
        " or defaults where the files have none"
    )
    notify(
        "the length penalty has another formula than in the model's own program, so outputs may be"
        " longer or shorter"
    )
    tokens = tokenizer.source.language_tokens
    if tokens:
        notify(
            f"the model writes several languages: begin each source line with one of its"
            f" {len(tokens):,} language tokens, such as {listed(tokens)}"
        )


def listed(tokens: Sequence[str], most: int = 5) -> str:
    """Return the first of several tokens as a text."""
    return ", ".join(tokens[:most]) + (", ..." if len(tokens) > most else "")
