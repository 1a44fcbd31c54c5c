"""Prepare a corpus for training: learn the tokenizer, clean and encode the text, write shards.

A manifest of content hashes records what each step was made from. A step is redone only if that
changed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path

from nmt.config import DataSettings, Recipe, TextFiles
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.system.atomic import write_bytes
from nmt.system.files import is_present, read_bytes
from nmt.system.log import Notify, progress_bar
from nmt.text.alignment import ALIGNMENT, align_corpus, open_alignments
from nmt.text.encode import SHORTENED, VERDICTS, encode_pairs, find_opening
from nmt.text.manifest import Manifest, PreparedFolder, Step, hash_values, sha256
from nmt.text.reading.corpus import DataFolder, DevPairs, Pair
from nmt.text.reading.lines import FirstSegment
from nmt.text.shards import ENDINGS, EncodedPairs, Shard, checked, new_shard, open_shard, stamps
from nmt.text.subwords.learning import learn_tokenizer, read_sampling
from nmt.text.subwords.tokenizer import Tokenizer, load_tokenizer

# Steps of the manifest; each shard is a step too.
TOKENIZER = "tokenizer"
MODEL = "model"  # the tokenizer's file, in its step
DEV = "dev"  # the dev set, which is recorded but read as it is


@dataclass(frozen=True)
class Prepared:
    """A corpus ready to train on."""

    tokenizer: Tokenizer
    shards: tuple[Shard, ...]  # one for each training corpus of the recipe
    names: tuple[str, ...]  # the text files of each shard, for messages
    fingerprint: str  # changes if the tokenizer, any shard or the dev set changes
    alignments: tuple[Shard, ...] = ()  # of each shard, if the training needs them
    directions: tuple[tuple[str, str], ...] = ()  # source and target language of each shard

    def direction_sizes(self) -> Counter[tuple[str, str]]:
        """Return the number of pairs of each direction."""
        sizes = Counter[tuple[str, str]]()
        for direction, shard in zip(self.directions, self.shards, strict=True):
            sizes[direction] += len(shard)
        return sizes


def prepare(
    recipe: Recipe,
    data: DataFolder,
    folder: PreparedFolder,
    notify: Notify,
    given_tokenizer: bytes | None = None,
) -> Prepared:
    """Learn the tokenizer and encode the training corpora, as far as that is not done yet.

    given_tokenizer: the bytes of a tokenizer to use instead of learning one. Raises NmtError for a
    corpus that is missing, misaligned, empty or too small.
    """
    check_test_sets(recipe, data, notify)
    manifest = Manifest(folder)
    if manifest.damage:
        notify(f"{manifest.damage}; the corpus is prepared again")
    dev_changed = record_dev_set(recipe, data, manifest)
    hashes = [hash_text_files(files, recipe, data, manifest) for files in recipe.data.train]
    if given_tokenizer is None:
        tokenizer = own_tokenizer(recipe, data, manifest, hash_values(hashes), notify)
    else:
        tokenizer = store_tokenizer(given_tokenizer, manifest)
    names = [*map(shard_name, range(len(hashes)))]
    corpora = zip(recipe.data.train, names, hashes, find_openings(recipe, tokenizer), strict=True)
    for files, name, content, opening in corpora:
        # Without an opening and context, the key is that of older versions: old runs resume.
        limits = [recipe.data.max_length, recipe.data.max_ratio]
        limits += filter(None, [recipe.data.context])
        key = hash_values(sha256(tokenizer.model), content, limits, *opening)
        if needs_encoding(manifest, name, key, notify):
            manifest.forget(name)
            pairs = data.text(files, recipe).pairs()
            encoded = encode_pairs(pairs, tokenizer, recipe.data, opening)
            step = encode_corpus(encoded, folder.shards, name, tokenizer)
            manifest.steps[name] = replace(step, key=key)
            manifest.save()
            notify(describe(files, step.counts, recipe.data))
    if dev_changed:
        manifest.save()
    remove_unused(manifest, names)
    shards = open_shards(folder, names, tokenizer)
    if not any(map(len, shards)):
        dropped = describe_dropped(manifest, names, recipe.data)
        raise NmtError(f"no training pair is left after cleaning: {dropped}")
    if recipe.train.guided_alignment:
        align_corpus(manifest, names, shards, tokenizer, notify)
    return describe_prepared(recipe, manifest, tokenizer, shards)


def open_prepared(recipe: Recipe, folder: PreparedFolder) -> Prepared:
    """Return the corpus that `prepare` left; raises NmtError if it is missing or damaged."""
    manifest, tokenizer = Manifest(folder), load_tokenizer(folder.tokenizer)
    names = [*map(shard_name, range(len(recipe.data.train)))]
    shards = open_shards(folder, names, tokenizer)
    return describe_prepared(recipe, manifest, tokenizer, shards)


def describe_prepared(
    recipe: Recipe, manifest: Manifest, tokenizer: Tokenizer, shards: tuple[Shard, ...]
) -> Prepared:
    """Return a corpus whose tokenizer and shards are open; opens its alignments, if it has any."""
    names = [*map(shard_name, range(len(shards)))]
    is_aligned, folder = recipe.train.guided_alignment, manifest.folder
    return Prepared(
        tokenizer,
        shards,
        names=tuple(" + ".join(files.names) for files in recipe.data.train),
        fingerprint=hash_values(*map(manifest.key, [*names, DEV])),
        alignments=open_alignments(folder.shards, names, shards) if is_aligned else (),
        directions=tuple(map(recipe.data.find_languages, recipe.data.train)),
    )


def open_shards(
    folder: PreparedFolder, names: Sequence[str], tokenizer: Tokenizer
) -> tuple[Shard, ...]:
    """Return the shards with these names."""
    return tuple(open_shard(folder.shards, name, len(tokenizer)) for name in names)


def read_dev_pairs(recipe: Recipe, data: DataFolder) -> DevPairs:
    """Return the pairs of all dev sets by direction, in order; a dev set begins a document.

    Raises NmtError for a missing, unreadable or misaligned file.
    """
    found: dict[tuple[str, str], list[Pair]] = {}
    for files in recipe.data.dev:
        own = found.setdefault(recipe.data.find_languages(files), [])
        pairs = data.text(files, recipe).pairs()
        own += (Pair(FirstSegment(source), target) for source, target in islice(pairs, 1))
        own += pairs
    return found


def check_test_sets(recipe: Recipe, data: DataFolder, notify: Notify) -> None:
    """Print a note for each test set that has a missing file; training does not need them."""
    for name, files in recipe.data.test.items():
        try:
            further = filter(None, (files.labels, files.contrast))
            for file in (*files.names, *further, *files.references):
                data.find(file, recipe)
        except NmtError as error:
            notify(f"test set {name}, which `nmt evaluate` will need: {error}")


def hash_text_files(
    files: TextFiles, recipe: Recipe, data: DataFolder, manifest: Manifest
) -> list[str]:
    """Return the hashes of a text's files, and which columns or languages are read of one."""
    text = data.text(files, recipe)
    hashes = [*map(manifest.hash_file, text.paths), *map(str, text.columns)]
    return [*hashes, *text.languages] if text.reader else hashes


def record_dev_set(recipe: Recipe, data: DataFolder, manifest: Manifest) -> bool:
    """Record the dev set's content in the manifest, and return whether it changed.

    Raises NmtError for a missing file, or if the run already trains with another dev set.
    """
    hashes = (hash_text_files(files, recipe, data, manifest) for files in recipe.data.dev)
    key = hash_values([*chain.from_iterable(hashes)])
    changed = manifest.needs(DEV, key)
    manifest.steps[DEV] = Step(key)
    return changed


def own_tokenizer(
    recipe: Recipe, data: DataFolder, manifest: Manifest, text: str, notify: Notify
) -> Tokenizer:
    """Return the run's tokenizer; learn it if it is missing, damaged, or of other text.

    text: the hash of the corpora. If a started run has lost its manifest, its tokenizer is kept:
    the keys of its shards depend on it, so that the fingerprint shows whether it still fits.
    """
    # Without control tokens, the key is that of versions that had none, so that old runs resume.
    more = filter(None, [recipe.data.control_tokens, read_sampling(recipe)])
    key = hash_values(text, asdict(recipe.tokenizer), *more)
    folder = manifest.folder
    if folder.in_use and TOKENIZER not in manifest.steps and is_present(folder.tokenizer):
        tokenizer = load_tokenizer(folder.tokenizer)
        manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(tokenizer.model)})
        return tokenizer
    if not manifest.needs(TOKENIZER, key) and is_present(folder.tokenizer):
        content = read_bytes(folder.tokenizer, "the tokenizer")
        if sha256(content) == manifest.steps[TOKENIZER].sha256.get(MODEL):
            return Tokenizer(content, str(folder.tokenizer))
        if folder.in_use:
            raise DamagedError(
                f"{folder.tokenizer} is damaged; remove it, then the same command restores it"
            )
        notify(f"{folder.tokenizer} is damaged and is learned again")
    tokenizer = learn_tokenizer(recipe, data, notify)
    write_tokenizer(tokenizer.model, manifest, key)
    return tokenizer


def store_tokenizer(model: bytes, manifest: Manifest) -> Tokenizer:
    """Store the bytes of another model's tokenizer as the run's own, and return it."""
    tokenizer = Tokenizer(model, "the tokenizer of the initial model")
    key = hash_values("given", sha256(model))
    is_needed = manifest.needs(TOKENIZER, key)
    try:
        is_there = manifest.folder.tokenizer.read_bytes() == model
    except OSError:
        is_there = False
    if is_needed or not is_there:
        write_tokenizer(model, manifest, key)
    return tokenizer


def write_tokenizer(model: bytes, manifest: Manifest, key: str) -> None:
    """Write a tokenizer's bytes, and record them."""
    write_bytes(manifest.folder.tokenizer, model)
    manifest.steps[TOKENIZER] = Step(key, {MODEL: sha256(model)})
    manifest.save()


def find_openings(recipe: Recipe, tokenizer: Tokenizer) -> list[tuple[str, ...]]:
    """Return the control tokens before the sources of each training corpus.

    Raises NmtError unless the vocabulary has all that the training corpora need.
    """
    data, source = recipe.data, tokenizer.source
    needed = [(token, source) for token in data.control_tokens]
    if source.language_tokens:  # they may have other codes
        own = data.language_tokens.values()
        needed = [(token, subwords) for token, subwords in needed if token not in own]
    needed += [(token, tokenizer.target) for token in data.target_control_tokens]
    for token, subwords in needed:
        if subwords.tag_id(token) is None:
            raise NmtError(
                f"recipe {recipe.name}: the training text has the token {token}, which the"
                " vocabulary of the initial model lacks; start from another model, or train without"
                " train.init_from, so that a vocabulary with this token is learned"
            )
    try:
        return [
            find_opening(data.find_languages(files)[1], source, files.tag) for files in data.train
        ]
    except UsageError as error:
        raise NmtError(f"recipe {recipe.name}: train.init_from does not fit: {error}") from error


def shard_name(index: int) -> str:
    """Return the name of the shard of a training corpus by its index in the recipe."""
    return f"train-{index}"


def needs_encoding(manifest: Manifest, name: str, key: str, notify: Notify) -> bool:
    """Return whether a corpus must be encoded; print a note if it was but is damaged."""
    if manifest.needs(name, key):
        return True
    step, shards = manifest.steps[name], manifest.folder.shards
    present = checked(shards, name, step)
    if present is None:
        was_divided = not step.sha256
        fault = "was made in parts by an older version" if was_divided else "is damaged or missing"
        notify(f"{shards / name} {fault} and is created again")
        return True
    if present != step:
        manifest.steps[name] = present
        manifest.save()
    return False


def encode_corpus(
    chunks: Iterable[EncodedPairs], shards: Path, name: str, tokenizer: Tokenizer
) -> Step:
    """Encode and clean a training corpus into a shard, and return its step, without a key."""
    counts = Counter(dict.fromkeys(VERDICTS, 0))
    with (
        new_shard(shards, name, len(tokenizer)) as writer,
        progress_bar(unit="pair", unit_scale=True, desc="encode") as bar,
    ):
        for chunk in chunks:
            writer.add(chunk)
            counts.update(chunk.counts)
            bar.update(sum(map(chunk.counts.__getitem__, VERDICTS)))
    return Step("", writer.digests(), dict(counts), stamps(shards, name))


def describe(files: TextFiles, counts: dict[str, int], data: DataSettings) -> str:
    """Return one line about what cleaning kept and dropped."""
    dropped = (
        (counts["empty"], "with an empty side" + " or to end documents" * bool(data.context)),
        (counts["too_long"], f"longer than {data.max_length} tokens"),
        (counts["ratio"], f"beyond a length ratio of {data.max_ratio:g}"),
    )
    lost = ", ".join(f"{count:,} {why}" for count, why in dropped if count)
    shortened = counts.get(SHORTENED, 0)
    several = f" ({'-'.join(data.find_languages(files))})" if len(data.directions) > 1 else ""
    text = f"{files.title}{several}: {counts['kept']:,} pairs kept{lost and f'; dropped {lost}'}"
    return text + (f"; {shortened:,} with less context to fit" if shortened else "")


def describe_dropped(manifest: Manifest, names: Sequence[str], limits: DataSettings) -> str:
    """Return a phrase with the totals that cleaning dropped from all corpora."""
    counts = [manifest.steps[name].counts for name in names]
    empty, long, ratio = (
        sum(count.get(verdict, 0) for count in counts) for verdict in ("empty", "too_long", "ratio")
    )
    return (
        f"{empty:,} with an empty side, {long:,} longer than data.max_length={limits.max_length},"
        f" {ratio:,} beyond data.max_ratio={limits.max_ratio:g}"
    )


def remove_unused(manifest: Manifest, names: list[str]) -> None:
    """Remove the steps and the files of all shards but those with these names.

    What older versions were writing when they were killed is removed too.
    """
    for step in [name for name in manifest.steps if name.startswith("train-")]:
        if step not in names:
            manifest.forget(step)
    for path in manifest.folder.shards.glob("train-*"):
        if path.suffix[1:] in (*ENDINGS, ALIGNMENT, "json", "partial") and path.stem not in names:
            path.unlink()
