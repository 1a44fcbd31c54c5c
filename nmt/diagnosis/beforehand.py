"""Find faults that are known before the first update: warm-up, vocabulary and dev set."""

import math
from collections.abc import Iterator

from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.rates import rounded_up, scale_for, two_digits
from nmt.text.facts import RARE, SideFacts
from nmt.text.learning import FEWEST_TOKENS

# Share of a run that the suggested warm-up takes. Those of the shipped recipes are 1 to 24 %.
WARMUP_SHARE = 0.1
# Share of the vocabulary that is seen less than RARE times. Tuned vocabularies: 15 % (8,000 tokens
# for Multi30k, 2,000 for pocket) and 5 % (8,000 for Tatoeba); those that `nmt init` chooses for 500
# to 20,000 of these pairs: 6 to 17 %. Twice Multi30k's has 63 %, four times Tatoeba's 61 %, and
# 8,000 for a quarter of Multi30k's pairs 69 %. Characters, up to 1 %, are part of some figures.
MOST_RARE = 0.4
# Nats by which dev tokens are rarer in the training text than its own. Dev sets of the same kind
# have up to 0.23 (newstest), and 0.65 with 2,000 pairs and 8,000 tokens; those of another kind
# 1.2 to 2.0 (Tatoeba or newstest for Multi30k, Multi30k or newstest for Tatoeba).
MOST_SURPRISE = 1.0
# Ratio of tokens a segment, dev to train, or train to dev. It is at most 1.2 for dev sets of the
# same kind (newstest), and 2.5 to 3.5 for newstest with the other two.
MOST_LENGTH_RATIO = 2.0
# Share of dev tokens outside the vocabulary. The highest measured share is 0.7 %: newstest of 2014
# with a vocabulary of 3,000 other pairs.
MOST_UNKNOWN = 0.02


def before_training(training: Training) -> Iterator[Finding]:
    """Yield what the settings and the text show by themselves."""
    yield from long_warmup(training)
    yield from large_vocabulary(training)
    yield from unlike_dev_text(training)


def long_warmup(training: Training) -> Iterator[Finding]:
    """Yield a note if the training ends before the learning rate reaches its peak.

    It is no warning: `--max-updates` makes a short trial of a recipe, which may go on later.
    """
    train = training.recipe.train
    if train.warmup_updates < train.max_updates or train.max_updates < 2:
        return
    highest = training.peak_rate * train.max_updates / train.warmup_updates
    warmup = max(1, two_digits(WARMUP_SHARE * train.max_updates))
    scale = scale_for(training, training.peak_rate, warmup)
    yield Finding(
        "long_warmup",
        "note",
        "the warm-up is longer than the training",
        None,
        f"train.warmup_updates={train.warmup_updates} is not below"
        f" train.max_updates={train.max_updates}: the learning rate only rises, to {highest:.2g} at"
        f" the end; its peak is {training.peak_rate:.2g}",
        "the learning rate is too low for most of the training; it never falls, so the weights"
        " cannot settle",
        f"train.warmup_updates={warmup} with train.learning_rate_scale={scale}, which keeps the"
        " peak; or more updates (train.max_updates)",
    )


def large_vocabulary(training: Training) -> Iterator[Finding]:
    """Yield a finding if many tokens of a vocabulary are too rare in the training text."""
    facts, tokenizer = training.facts, training.recipe.tokenizer
    if facts is None or tokenizer.kind != "bpe" or training.recipe.train.init_from:
        return  # another tokenizer has no rare merges; a given one cannot be changed
    for each in facts.vocabularies:
        share = each.rare / each.size
        if share <= MOST_RARE or each.size <= FEWEST_TOKENS:
            continue
        which = f"the {each.side} vocabulary" if each.side else "the vocabulary"
        # One size is for both sides, and each must be able to learn it.
        needed = max(100, rounded_up(max(side.size - side.rare for side in facts.vocabularies)))
        yield Finding(
            "large_vocabulary",
            "warning",
            f"{which} is too large for the text",
            None,
            f"{each.rare:,} of its {each.size:,} tokens ({100 * share:.0f} %) have several"
            f" characters and occur less than {RARE} times in the training text",
            "the model cannot learn such tokens, and they take memory and time",
            fix_of_size(needed, each.size),
        )
        return


def fix_of_size(needed: int, size: int) -> str:
    """Return what to do about a vocabulary of some size if so many tokens are needed."""
    if needed >= size:
        return "more text, or tokenizer.joint=true, one vocabulary for both sides"
    return f"tokenizer.vocab_size={needed}, about the number of the other tokens; or more text"


def unlike_dev_text(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev set's tokens differ from those of the training text."""
    facts = training.facts
    if facts is None or facts.dev is None:
        return
    differences = [
        difference
        for name, train, dev in zip(("sources", "targets"), facts.sides, facts.dev, strict=True)
        for difference in text_differences(name, train, dev)
    ]
    if differences:
        yield Finding(
            "unlike_dev_set",
            "warning",
            "the dev set is unlike the training text",
            None,
            "; ".join(differences),
            "dev scores say little about text like the training text, and the model translates text"
            " like the dev set badly",
            "hold out the dev set from the training text (`nmt split`), or add training text like"
            " the dev set; `nmt check` with the recipe looks closer",
        )


def text_differences(name: str, train: SideFacts, dev: SideFacts) -> Iterator[str]:
    """Yield a phrase for each way in which one side of the dev set differs."""
    if not train.tokens or not dev.tokens:
        return
    surprise = dev.entropy - train.entropy
    if surprise > MOST_SURPRISE:
        yield (
            f"in the training text, the tokens of dev {name} are {math.exp(surprise):.1f} times as"
            " rare as its own tokens"
        )
    means = [dev.tokens / dev.segments, train.tokens / train.segments]
    if max(means) > MOST_LENGTH_RATIO * min(means):
        yield f"dev {name} have {means[0]:.1f} tokens on average, training {name} {means[1]:.1f}"
    unknown = dev.unknown / dev.tokens
    usual = max(train.unknown, train.once) / train.tokens  # in a small text, much is new
    if unknown > MOST_UNKNOWN and unknown > 2 * usual:
        yield f"{100 * unknown:.1f} % of the tokens in dev {name} are unknown"
