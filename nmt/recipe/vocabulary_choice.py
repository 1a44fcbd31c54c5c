"""Choose the size of the vocabulary for a corpus."""

from nmt.recipe.chosen import Choice
from nmt.recipe.corpus_size import LARGE, MEDIUM, SMALL, CorpusFacts, place_of, round_down
from nmt.recipe.rules import SPECIAL_TOKENS

MANY_CHARACTERS = 1000  # distinct ones: a script such as Chinese, or stray characters
RARE_SHARE = 0.0005  # of the text: what the rarest characters of such a text may make up
TUNED, LARGEST = 8_000, 37_000  # tokens of the tuned recipes, and of the paper
FEWEST = 500  # tokens for a small corpus, if its text has so many
WHOLE_SHARE = 0.9  # of Multi30k's pairs or tokens: a text with so much gets its vocabulary
MOST_ON_CPU = 16_000  # with more, the output layer of a small model takes most of the time


def vocabulary(facts: CorpusFacts, *, has_gpu: bool) -> list[Choice]:
    """Return the size of the vocabulary, and the share of characters that it covers.

    The size is one that the text is large enough for: a text has at least its characters and, as
    whole words, half of its distinct words as possible tokens.
    """
    alphabet, coverage = facts.alphabet, []
    if facts.alphabet > MANY_CHARACTERS:
        alphabet = facts.frequent_alphabet
        reason = f"the text has {facts.alphabet:,} distinct characters, most of them rare"
        coverage = [Choice("tokenizer.character_coverage", 1 - RARE_SHARE, reason)]
    wanted, reason = by_amount(facts, has_gpu=has_gpu)
    smallest = len(SPECIAL_TOKENS) + alphabet + 1
    largest = len(SPECIAL_TOKENS) + alphabet + facts.distinct_words // 2
    if wanted > largest:
        wanted, reason = largest, "the text has too few different words for many more tokens"
    if wanted < smallest + alphabet:
        wanted = max(smallest, min(largest, smallest + alphabet))
        reason = f"room for {alphabet:,} distinct characters, and as many longer tokens"
    if facts.most_tokens and wanted > facts.most_tokens:
        wanted, reason = facts.most_tokens, "the most that so small a text allows"
    return [Choice("tokenizer.vocab_size", wanted, reason), *coverage]


def by_amount(facts: CorpusFacts, *, has_gpu: bool) -> tuple[int, str]:
    """Return the size of the vocabulary by the amount of text, and the reason."""
    pairs = f"{facts.pairs:,} pairs"
    share = max(facts.pairs / SMALL.pairs, facts.tokens / SMALL.tokens) / WHOLE_SHARE
    place = place_of(facts.tokens, MEDIUM, LARGE)
    if share < 1:
        size = max(FEWEST, round_down(share * TUNED))
        return size, f"{pairs} are few: of more tokens, most would be too rare to be learned"
    size = round(place.ratio_mean(TUNED, LARGEST) / 1000) * 1000
    if size == TUNED:
        times = round_down(facts.tokens / TUNED)
        return TUNED, (
            f"in {pairs}, each of {TUNED:,} tokens occurs about {times:,} times on average in each"
            f" language, enough to be learned; as in the recipes for {SMALL.title} and"
            f" {MEDIUM.title}"
        )
    if size > MOST_ON_CPU and not has_gpu:
        return (
            MOST_ON_CPU,
            "the text is large enough for more tokens, but they would be slow on a CPU",
        )
    return int(size), f"{pairs} show many words often enough to be tokens of their own"
