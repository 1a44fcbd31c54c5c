"""Rules for recipes: each setting is within its range, and settings work together."""

import re
from collections.abc import Container, Iterable, Iterator

from nmt.config import DECLARED, SECTIONS, SEPARATOR, DecodeSettings, Recipe
from nmt.config.setting import UNWRITABLE
from nmt.errors import NmtError, UsageError, shown
from nmt.recipe.settings import checked_value, get_setting
from nmt.recipe.size import least_parameters
from nmt.recipe.toml import check_recipe_name

MOST_PARAMETERS = 10**11
SHA256 = re.compile("[0-9A-Fa-f]{64}")
TAG = re.compile(rf"<[^\s<>{UNWRITABLE}]{{1,40}}>")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
LANGUAGE_TOKEN = re.compile(rf">>[^\s<>{UNWRITABLE}]{{1,40}}<<")  # as those of OPUS-MT's models
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
    faults = [*model_faults(recipe), *recurrent_faults(recipe), *length_faults(recipe.decode)]
    faults += [*training_faults(recipe), *language_faults(recipe)]
    for fault in faults:
        raise NmtError(f"recipe {recipe.name}: {fault}")


def model_faults(recipe: Recipe) -> Iterator[str]:
    """Yield what is wrong with the model, its vocabulary and its metric."""
    data, model, tokenizer, train = recipe.data, recipe.model, recipe.tokenizer, recipe.train
    parameters = least_parameters(recipe)
    if parameters > MOST_PARAMETERS:
        yield (
            f"the model has {parameters:,} parameters but may have at most"
            f" {MOST_PARAMETERS:,}; lower the numbers of layers or the widths in [model]"
        )
    limit = model.position_limit
    if limit is not None and data.max_length >= limit:
        yield (
            f"a segment of data.max_length={data.max_length} tokens and its end token do not fit"
            f" the learned model.max_positions={limit}; lower data.max_length or raise"
            " model.max_positions"
        )
    if limit is not None and train.bpe_dropout:
        yield (
            f"train.bpe_dropout can cut a segment into more tokens than model.positions="
            f"{model.positions} has positions; set train.bpe_dropout to 0 or choose other"
            " model.positions"
        )
    if model.positions == "rotary" and model.d_k % 2 and not model.is_recurrent:
        yield (
            f"model.positions=rotary rotates pairs of numbers, but model.d_k={model.d_k} is odd;"
            " set an even model.d_k"
        )
    if not tokenizer.joint and model.tied == "all":
        yield (
            "tokenizer.joint=false makes two vocabularies, which cannot share one matrix; set"
            " model.tied to target or none"
        )
    if train.early_stopping_metric not in (data.metric, "loss"):
        yield (
            f"train.early_stopping_metric is {train.early_stopping_metric} but data.metric is"
            f" {data.metric}; set train.early_stopping_metric to {data.metric} or loss"
        )


def recurrent_faults(recipe: Recipe) -> Iterator[str]:
    """Yield what a recurrent model cannot have."""
    model, train = recipe.model, recipe.train
    if not model.is_recurrent:
        return
    if model.d_model % 2:
        yield (
            "model.architecture=recurrent has two directions of half the width, but"
            f" model.d_model={model.d_model} is odd; set an even model.d_model"
        )
    if train.guided_alignment:
        yield (
            "train.guided_alignment trains an attention head, which model.architecture=recurrent"
            " does not have; set train.guided_alignment to 0"
        )
    if train.optimizer == "muon":
        yield (
            "train.optimizer=muon steps the matrices of a Transformer's layers, which"
            " model.architecture=recurrent does not have; set train.optimizer to adam"
        )
    if train.compile:
        yield (
            "train.compile unrolls no loop over positions, which model.architecture=recurrent has;"
            " set train.compile to false"
        )


def length_faults(decode: DecodeSettings) -> Iterator[str]:
    """Yield what is wrong with the lengths of outputs."""
    if 0 < decode.max_length < decode.min_length:
        yield (
            f"decode.min_length is {decode.min_length} but decode.max_length is"
            f" {decode.max_length}; lower decode.min_length"
        )


def training_faults(recipe: Recipe) -> Iterator[str]:
    """Yield training settings that exclude each other, and tags that are invalid or unused."""
    tokenizer, train = recipe.tokenizer, recipe.train
    if tokenizer.byte_fallback and tokenizer.kind != "bpe":
        yield (
            f"tokenizer.byte_fallback needs tokenizer.kind=bpe, but it is {tokenizer.kind}; set"
            " tokenizer.byte_fallback to false"
        )
    if train.bpe_dropout and tokenizer.kind != "bpe":
        yield (
            "train.bpe_dropout needs tokenizer.kind=bpe, because the merges of"
            f" tokenizer.kind={tokenizer.kind} are none or not known; set train.bpe_dropout to 0"
        )
    if train.r_drop and train.simcut:
        yield (
            "train.r_drop and train.simcut are two ways to make two passes agree; set one of them"
            " to 0"
        )
    if train.patience and train.cooldown_updates:
        yield (
            "train.patience may end the training before the cooldown of train.cooldown_updates;"
            " set one of them to 0"
        )
    if train.guided_alignment and train.bpe_dropout:
        yield (
            "train.guided_alignment aligns tokens once, but train.bpe_dropout draws others each"
            " epoch; set one of them to 0"
        )
    if train.guided_alignment and train.compile:
        yield (
            "train.guided_alignment does not work with train.compile=true; set train.compile to"
            " false"
        )
    for tag in recipe.data.tags:
        if not TAG.fullmatch(tag) or tag in SPECIAL_TOKENS or BYTE.fullmatch(tag):
            yield (
                f"data.train has the tag {shown(tag)}, but a tag is a name in angle brackets"
                " without spaces, such as <BT>, and no special token"
            )
    for files in (*recipe.data.dev, *recipe.data.test.values()):
        if files.tag:
            yield (
                f"{shown(files.names[0])} has the tag {shown(files.tag)}, but it is no training"
                " text; leave the tag out"
            )


def language_faults(recipe: Recipe) -> Iterator[str]:
    """Yield what is wrong with the languages of corpora, and what excludes context."""
    data, train = recipe.data, recipe.train
    for code, token in data.language_tokens.items():
        if not LANGUAGE_TOKEN.fullmatch(token):
            yield (
                f"data.train has the target language {shown(code)}, but a language is a code such"
                " as de or deu"
            )
    written = {target for _, target in data.directions}
    for files in (*data.dev, *data.test.values()):
        target = data.find_languages(files)[1]
        if written and target not in written:
            yield (
                f"{shown(files.names[0])} has the target language {shown(target)}, but the training"
                f" text has {', '.join(written)}; correct its target_language"
            )
    if data.context and SEPARATOR in data.tags:
        yield f"the tag {SEPARATOR} is the separator of data.context; choose another tag"
    for name, is_set in (
        ("model.target_order=right_to_left", recipe.model.is_right_to_left),
        ("train.guided_alignment", bool(train.guided_alignment)),
    ):
        if data.context and is_set:
            yield (
                f"data.context puts earlier segments before a target, which {name} does not know;"
                " set one of them to its default"
            )


def check_files(recipe: Recipe) -> None:
    """Raise NmtError for an impossible SHA-256, and for what only test sets use elsewhere.

    The recipe of a run or a model is not checked: it needs no download, and nobody can change it.
    """
    for download in recipe.data.downloads:
        if download.sha256 and not SHA256.fullmatch(download.sha256):
            raise NmtError(
                f"recipe {recipe.name}: data.downloads.sha256 of {shown(download.to)} is"
                f" {shown(download.sha256)} but must have 64 hexadecimal digits; correct it, or"
                " leave it out"
            )
    for name, corpora in (("train", recipe.data.train), ("dev", recipe.data.dev)):
        for files in corpora:
            keys = ("references", "labels", "contrast")
            for key in (key for key in keys if getattr(files, key)):
                raise NmtError(
                    f"recipe {recipe.name}: {shown(files.names[0])} in data.{name} has {key}, which"
                    " only test sets use; leave it out, or name the text in data.test"
                )


def check_decode(recipe: Recipe, changed: Container[str] = ()) -> None:
    """Raise NmtError if settings of the search contradict each other.

    changed: the settings that a user gave in place of the recipe's. If one is to blame, this is a
    UsageError; so it is if one has no effect, because it is for another kind of search.
    """
    decode = recipe.decode
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
    for fault in length_faults(decode):
        if "decode.min_length" in changed or "decode.max_length" in changed:
            raise UsageError(fault)
        raise NmtError(f"recipe {recipe.name}: {fault}")


def check_used(changed: Iterable[str], used: Container[str]) -> None:
    """Raise UsageError for a changed setting of the search that scoring given texts ignores."""
    for name in changed:
        if name not in used:
            raise UsageError(
                f"{name} has no effect here, because the translations are given; leave it out"
            )
