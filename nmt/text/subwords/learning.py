"""Learn a tokenizer with SentencePiece, from any segments or from a recipe's training corpora."""

import io
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

from nmt.config import Recipe, TokenizerSettings
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.system.threads import processor_count
from nmt.text.plan import sampled_sizes
from nmt.text.reading.corpus import DataFolder, Pair
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK, SubwordModel, Tokenizer

LONGEST_LINE = 16_384  # characters; longer segments are split before SentencePiece learns from them
LONGEST_WORD = 1_000  # characters; SentencePiece cannot load a vocabulary with far longer ones
TOO_HIGH = re.compile(r"too high.*<= (\d+)", re.DOTALL)  # SentencePiece's message
TOO_MANY = 1_000_000  # tokens: more than a small text has
SAMPLE_CHARACTERS = 300_000_000  # of text to learn from; SentencePiece keeps all of it in memory
BOTH_SIDES = slice(2)
IMPORTED = "imported"  # the kind of tokenizer that only an initial model has
TOKEN_NAMES = {"bpe": "BPE tokens", "char": "characters", "word": "words"}


def learn_tokenizer(recipe: Recipe, data: DataFolder, notify: Notify) -> Tokenizer:
    """Learn the tokenizer of a recipe, from a sample if the corpora are large.

    Raises NmtError for a corpus that is missing, misaligned, empty or too small.
    """
    check_learnable(recipe)
    rates = sampling_rates(recipe, data) if read_sampling(recipe) else None
    # Of each vocabulary: the sides that it has, their name and its control tokens.
    vocabularies = [
        (slice(0, 1), "the source side of this corpus", recipe.data.control_tokens),
        (slice(1, 2), "the target side of this corpus", recipe.data.target_control_tokens),
    ]
    if recipe.tokenizer.joint:
        vocabularies = [(BOTH_SIDES, "this corpus", recipe.data.control_tokens)]
    # Each has a sample of its own.
    sizes = [measure(training_segments(recipe, data, side, rates)) for side, _, _ in vocabularies]
    most = recipe.tokenizer.sample_lines
    shares = [min(1, most / lines, SAMPLE_CHARACTERS / characters) for lines, characters in sizes]
    lines = sum(lines for lines, _ in sizes)
    sampled = sum(round(share * lines) for share, (lines, _) in zip(shares, sizes, strict=True))
    notify(
        f"learning {describe_vocabulary(recipe.tokenizer)} from {lines:,} lines"
        + (f", of which about {sampled:,} are sampled" if sampled < lines else "")
    )
    learned = [
        learn_subwords(
            sample(training_segments(recipe, data, side, rates), share),
            recipe.tokenizer,
            name,
            tags,
        )
        for (side, name, tags), share in zip(vocabularies, shares, strict=True)
    ]
    return Tokenizer(learned[0].model) if recipe.tokenizer.joint else Tokenizer.from_two(*learned)


def check_learnable(recipe: Recipe) -> None:
    """Raise NmtError if a recipe's tokenizer is not learned but that of an initial model."""
    if recipe.tokenizer.kind == IMPORTED:
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.kind={IMPORTED} is the tokenizer of an imported model"
            " and cannot be learned; name the model with --init-from, or set tokenizer.kind to bpe"
        )


def read_sampling(recipe: Recipe) -> list[Any]:
    """Return what the sampling of directions depends on; nothing if nothing is sampled."""
    data, temperature = recipe.data, recipe.train.language_sampling
    if temperature == 1 or len(data.directions) < 2:
        return []
    return [temperature, [*map(data.find_languages, data.train)]]


def sampling_rates(recipe: Recipe, data: DataFolder) -> dict[tuple[str, str], float]:
    """Return how often a pair of each direction is sampled on average."""
    sizes = dict.fromkeys(recipe.data.directions, 0)
    for files in recipe.data.train:
        sizes[recipe.data.find_languages(files)] += sum(1 for _ in data.text(files, recipe).pairs())
    sampled = sampled_sizes(sizes, recipe.train.language_sampling)
    return {direction: sampled[direction] / max(1, size) for direction, size in sizes.items()}


def sample_pairs(pairs: Iterable[Pair], rate: float) -> Iterator[Pair]:
    """Yield each pair `rate` times on average, the same ones each time."""
    draw = random.Random(2)  # noqa: S311 (not for secrets)
    for pair in pairs:
        yield from repeat(pair, int(rate + draw.random()))


def training_segments(
    recipe: Recipe,
    data: DataFolder,
    sides: slice,
    rates: Mapping[tuple[str, str], float] | None,
) -> Iterator[str]:
    """Yield the segments of the training corpora that are not blank.

    sides: the sides of a pair to read. rates: how often a pair of a direction is read, on average;
    once if None. Raises NmtError if there are none.
    """
    empty = True
    for files in recipe.data.train:
        pairs = data.text(files, recipe).pairs()
        if rates:
            pairs = sample_pairs(pairs, rates[recipe.data.find_languages(files)])
        for pair in pairs:
            for side in pair[sides]:
                if side.strip():
                    empty = False
                    yield side
    if empty:
        names = ", ".join(name for files in recipe.data.train for name in files.names)
        raise NmtError(f"the training corpus is empty: {names}")


def measure(segments: Iterable[str]) -> tuple[int, int]:
    """Return the number of segments and of their characters."""
    lines, characters = 0, 0
    for segment in segments:
        lines += 1
        characters += len(segment)
    return lines, characters


def sample(segments: Iterable[str], share: float) -> Iterator[str]:
    """Yield about this share of the segments, the same ones each time; all if it is 1 or more."""
    draw = random.Random(1)  # noqa: S311 (not for secrets)
    return (segment for segment in segments if share >= 1 or draw.random() < share)


def describe_vocabulary(settings: TokenizerSettings) -> str:
    """Return a phrase such as "8,000 BPE tokens" for the vocabulary that is to be learned."""
    most = "" if settings.kind == "bpe" else "at most "
    sides = "" if settings.joint else " of each language"
    return f"{most}{settings.vocab_size:,} {TOKEN_NAMES[settings.kind]}{sides}"


def learn_subwords(
    segments: Iterable[str],
    settings: TokenizerSettings,
    name: str = "this corpus",
    tags: Sequence[str] = (),
) -> SubwordModel:
    """Learn a subword model from the segments of both languages, or of one.

    A BPE vocabulary has exactly `vocab_size` tokens. A vocabulary of characters or words has at
    most so many, the most frequent; all others are unknown, and so are words of more than
    `LONGEST_WORD` characters. Text is normalised (SentencePiece's NFKC), except that words keep all
    their characters. Tags are tokens that no text contains; they count as part of the vocabulary.

    Raises NmtError if the text is too small for a BPE vocabulary of this size, or if the vocabulary
    is too small for the text's characters; `name` names the text in the message.
    """
    import sentencepiece

    model = io.BytesIO()
    failures: list[BaseException] = []

    def guarded() -> Iterator[str]:
        # SentencePiece's iterator passes no exception on, not even that of Ctrl-C: keep it, and end
        # with what is no text. At a usual end, it would first learn from what it has read.
        try:
            for segment in segments:
                yield from learnable(segment, settings.kind)
        except GeneratorExit:
            raise
        except BaseException as error:
            failures.append(error)
            yield cast(str, None)

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=guarded(),
            model_writer=model,
            model_type=settings.kind,
            vocab_size=settings.vocab_size,
            hard_vocab_limit=settings.kind == "bpe",
            normalization_rule_name="identity" if settings.kind == "word" else "nmt_nfkc",
            character_coverage=settings.character_coverage,
            byte_fallback=settings.byte_fallback,
            required_chars="",  # though it is the default, this changes the bytes of the model
            input_sentence_size=0,  # all: SentencePiece would sample others in each run
            shuffle_input_sentence=False,
            max_sentence_length=4 * LONGEST_LINE,  # bytes; longer lines would be left out
            num_threads=processor_count(),
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            control_symbols=[*tags],
            minloglevel=2,
        )
    except (RuntimeError, ValueError) as error:
        if failures:
            raise failures[0] from error
        raise NmtError(
            f"cannot learn a vocabulary of tokenizer.vocab_size={settings.vocab_size} from {name}:"
            f" {explain(str(error))}"
        ) from error
    if failures:
        raise failures[0]
    return SubwordModel(model.getvalue())


def learnable(segment: str, kind: str) -> Iterator[str]:
    """Yield the parts of a segment that SentencePiece can learn from, for a kind of vocabulary."""
    if kind == "word" and len(segment) > LONGEST_WORD:
        segment = " ".join(word for word in segment.split(" ") if len(word) <= LONGEST_WORD)
    for start in range(0, len(segment), LONGEST_LINE):
        yield segment[start : start + LONGEST_LINE]


def most_tokens(segments: Iterable[str], character_coverage: float) -> int:
    """Return the size of the largest BPE vocabulary that can be learned from a small text.

    Raises NmtError if none can be learned.
    """
    settings = TokenizerSettings(TOO_MANY, character_coverage=character_coverage)
    try:
        return len(learn_subwords(segments, settings))
    except NmtError as error:
        if found := TOO_HIGH.search(str(error.__cause__)):
            return int(found[1])
        raise


def explain(message: str) -> str:
    """Return SentencePiece's reason for a failure as a phrase that says how to fix it."""
    if found := TOO_HIGH.search(message):
        return f"the text is too small for so many tokens; set at most {found[1]}"
    if "smaller than required_chars" in message:
        return "the text has more distinct characters than that; set a larger size"
    return message.rpartition("] ")[2] or message
