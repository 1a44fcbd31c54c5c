"""Rules for recipes: each setting is within its range, and settings work together."""

import re
from collections.abc import Container, Iterable

from nmt.config import SECTIONS, DecodeSettings, Recipe
from nmt.errors import NmtError, UsageError, shown
from nmt.recipe.settings import DECLARED, checked_value, get_setting
from nmt.recipe.size import least_parameters
from nmt.recipe.tables import check_recipe_name
from nmt.setting import UNWRITABLE

MOST_PARAMETERS = 10**11
SHA256 = re.compile("[0-9A-Fa-f]{64}")
TAG = re.compile(rf"<[^\s<>{UNWRITABLE}]{{1,40}}>")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe that was built in Python as strictly as one that is read from a file.

    Raises UsageError for a value of the wrong type or out of range, NmtError for settings that
    contradict each other.
    """
    try:
        check_recipe_name(recipe.name)
    except NmtError as error:
        raise UsageError(f"the recipe's {error}") from error
    for section, kind in SECTIONS.items():
        if type(getattr(recipe, section)) is not kind:
            raise UsageError(f"the recipe's {section} must be an instance of {kind.__name__}")
    for name in DECLARED:
        checked_value(name, get_setting(recipe, name))
    check_together(recipe)


def check_together(recipe: Recipe) -> None:
    """Raise NmtError if settings contradict each other; the message says which to change."""
    check_size(recipe)
    check_positions(recipe)
    if recipe.model.positions == "rotary" and recipe.model.d_k % 2:
        raise NmtError(
            f"recipe {recipe.name}: model.positions=rotary rotates pairs of numbers, but"
            f" model.d_k={recipe.model.d_k} is odd; set an even model.d_k"
        )
    if not recipe.tokenizer.joint and recipe.model.tied == "all":
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.joint=false makes two vocabularies, which cannot"
            " share one matrix; set model.tied to target or none"
        )
    metric, stopping = recipe.data.metric, recipe.train.early_stopping_metric
    if stopping not in (metric, "loss"):
        raise NmtError(
            f"recipe {recipe.name}: train.early_stopping_metric is {stopping} but data.metric is"
            f" {metric}; set train.early_stopping_metric to {metric} or loss"
        )
    check_decode(recipe)
    if recipe.tokenizer.byte_fallback and recipe.tokenizer.kind != "bpe":
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.byte_fallback needs tokenizer.kind=bpe, but it is"
            f" {recipe.tokenizer.kind}; set tokenizer.byte_fallback to false"
        )
    if recipe.train.bpe_dropout and recipe.tokenizer.kind != "bpe":
        raise NmtError(
            f"recipe {recipe.name}: train.bpe_dropout needs tokenizer.kind=bpe, because the merges"
            f" of tokenizer.kind={recipe.tokenizer.kind} are none or not known; set"
            " train.bpe_dropout to 0"
        )
    check_training(recipe)
    check_guided_alignment(recipe)
    check_tags(recipe)


def check_downloads(recipe: Recipe) -> None:
    """Raise NmtError for a download whose SHA-256 can be that of no file."""
    for each in recipe.data.downloads:
        if each.sha256 and not SHA256.fullmatch(each.sha256):
            raise NmtError(
                f"recipe {recipe.name}: data.downloads.sha256 of {shown(each.to)} is"
                f" {shown(each.sha256)} but must have 64 hexadecimal digits; correct it, or leave"
                " it out"
            )


def check_training(recipe: Recipe) -> None:
    """Raise NmtError if two training settings exclude each other."""
    if recipe.train.r_drop and recipe.train.simcut:
        raise NmtError(
            f"recipe {recipe.name}: train.r_drop and train.simcut are two ways to make two passes"
            " agree; set one of them to 0"
        )
    if recipe.train.patience and recipe.train.cooldown_updates:
        raise NmtError(
            f"recipe {recipe.name}: train.patience may end the training before the cooldown of"
            " train.cooldown_updates; set one of them to 0"
        )


def check_tags(recipe: Recipe) -> None:
    """Raise NmtError for a tag that cannot be a token, or for one outside the training text."""
    for tag in recipe.data.tags:
        if not TAG.fullmatch(tag) or tag in SPECIAL_TOKENS or BYTE.fullmatch(tag):
            raise NmtError(
                f"recipe {recipe.name}: data.train has the tag {shown(tag)}, but a tag is a name in"
                " angle brackets without spaces, such as <BT>, and no special token"
            )
    for files in (*recipe.data.dev, *recipe.data.test.values()):
        if files.tag:
            raise NmtError(
                f"recipe {recipe.name}: {shown(files.names[0])} has the tag {shown(files.tag)}, but"
                " it is no training text; leave the tag out"
            )


def check_references(recipe: Recipe) -> None:
    """Raise NmtError for references or labels of a text that is no test set."""
    for name in ("train", "dev"):
        for files in getattr(recipe.data, name):
            for key in ("references", "labels"):
                if getattr(files, key):
                    raise NmtError(
                        f"recipe {recipe.name}: {shown(files.names[0])} in data.{name} has {key},"
                        " which only test sets use; leave them out, or name it in data.test"
                    )


def check_guided_alignment(recipe: Recipe) -> None:
    """Raise NmtError if a setting does not work together with guided alignment."""
    if recipe.train.guided_alignment:
        if recipe.train.bpe_dropout:
            raise NmtError(
                f"recipe {recipe.name}: train.guided_alignment aligns tokens once, but"
                " train.bpe_dropout draws others each epoch; set one of them to 0"
            )
        if recipe.train.compile:
            raise NmtError(
                f"recipe {recipe.name}: train.guided_alignment does not work with"
                " train.compile=true; set train.compile to false"
            )


def check_decode(recipe: Recipe, changed: Container[str] = ()) -> None:
    """Raise NmtError if settings of the search contradict each other.

    changed: the settings that a user gave in place of the recipe's. If one is to blame, this is a
    UsageError; so it is if one has no effect, because others exclude it.
    """
    check_search(recipe.decode, changed)
    shortest, longest = recipe.decode.min_length, recipe.decode.max_length
    if 0 < longest < shortest:
        fault = (
            f"decode.min_length is {shortest} but decode.max_length is {longest}; lower"
            " decode.min_length"
        )
        if "decode.min_length" in changed or "decode.max_length" in changed:
            raise UsageError(fault)
        raise NmtError(f"recipe {recipe.name}: {fault}")


def check_search(decode: DecodeSettings, changed: Container[str]) -> None:
    """Raise UsageError if a changed setting is for another kind of search."""
    is_sampled = decode.method == "sample"
    if is_sampled and "decode.beam_size" in changed:
        raise UsageError(
            "translations are drawn (--sample, decode.method=sample) and have no beam; leave out"
            " --beam-size (decode.beam_size)"
        )
    for key in ("temperature", "top_k", "top_p", "seed"):
        if f"decode.{key}" in changed and not is_sampled:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(
                f"{option} (decode.{key}) is for samples; add --sample (decode.method=sample)"
            )
    if "decode.candidates" in changed and decode.mbr == DecodeSettings.mbr:
        raise UsageError(
            "--candidates (decode.candidates) is for minimum Bayes risk; add --mbr chrf"
            " (decode.mbr=chrf)"
        )


def check_used(changed: Iterable[str], used: Container[str]) -> None:
    """Raise UsageError for a changed setting of the search that scoring given texts ignores."""
    for name in changed:
        if name not in used:
            raise UsageError(
                f"{name} has no effect here, because the translations are given; leave it out"
            )


def check_size(recipe: Recipe) -> None:
    """Raise NmtError if the model has more parameters than any that this program can train."""
    parameters = least_parameters(recipe)
    if parameters > MOST_PARAMETERS:
        raise NmtError(
            f"recipe {recipe.name}: the model has {parameters:,} parameters but may have at most"
            f" {MOST_PARAMETERS:,}; lower the numbers of layers or the widths in [model]"
        )


def check_positions(recipe: Recipe) -> None:
    """Raise NmtError if training segments can be longer than the learned positions."""
    limit = recipe.model.position_limit
    if limit is None:
        return
    if recipe.data.max_length >= limit:
        raise NmtError(
            f"recipe {recipe.name}: a segment of data.max_length={recipe.data.max_length} tokens"
            f" and its end token do not fit the learned model.max_positions={limit}; lower"
            " data.max_length or raise model.max_positions"
        )
    if recipe.train.bpe_dropout:
        raise NmtError(
            f"recipe {recipe.name}: train.bpe_dropout can cut a segment into more tokens than"
            f" model.positions={recipe.model.positions} has positions; set train.bpe_dropout to 0"
            " or choose other model.positions"
        )
