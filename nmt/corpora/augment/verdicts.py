"""Judge translations: which of them are not good enough to train on, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.corpora.clean.rules import ALWAYS, UNREADABLE
from nmt.decoding.files.quality import Checked, checked_pairs, find_flags
from nmt.decoding.translator.translation import Translation
from nmt.errors import DamagedError
from nmt.system.json_data import parse_json
from nmt.text.tokenizer import SubwordModel

EMPTY, UNTRANSLATED, HELD_OUT, DUPLICATES = "empty", "untranslated", "held_out", "duplicates"
# Why a pair is left out, in the order in which it is looked for. Those in the middle are flags of
# `nmt translate --flags`.
REASONS = {
    UNREADABLE: ALWAYS[UNREADABLE],
    EMPTY: "lines with an empty side",
    UNTRANSLATED: "translations without text",
    "length": "translations of a length that cannot be right",
    "repetition": "translations that repeat words or characters in a loop",
    "copy": "translations that copy most words of the text",
    "unknown": "translations that lose characters which the vocabulary lacks",
    HELD_OUT: "lines that are in a dev or test set of the recipe",
    DUPLICATES: "pairs that repeat an earlier one",
}


@dataclass(frozen=True)
class Verdict:
    """Hold a translation, and why it is left out; no reason: it is good."""

    text: str
    reason: str = ""
    detail: str = ""

    def as_line(self) -> str:
        """Return a line of JSON."""
        content = [self.text, self.reason, self.detail] if self.reason else [self.text]
        return f"{json.dumps(content, ensure_ascii=False)}\n"

    @classmethod
    def of_line(cls, line: str, origin: str) -> "Verdict":
        """Return the verdict of a line; raises DamagedError, naming `origin`, for another one."""
        content = parse_json(line, list[str], origin)
        if not 1 <= len(content) <= 3:
            raise DamagedError(f"{origin} is damaged: it has a line of {len(content)} texts")
        return cls(*content)


def judged(
    subwords: SubwordModel, segments: Sequence[str], translations: Sequence[Translation]
) -> list[Verdict]:
    """Return the verdicts on the translations of segments; subwords: of the model's source."""
    return [verdict_on(pair) for pair in checked_pairs(subwords, segments, translations)]


def verdict_on(pair: Checked) -> Verdict:
    """Return the verdict on a translation."""
    if not pair.source.strip():
        return Verdict("", EMPTY)
    if not pair.translation.strip():
        return Verdict("", UNTRANSLATED)
    flags = {each.name: each.values for each in find_flags(pair)}
    for name in REASONS:
        if name in flags:
            detail = ", ".join(f"{key}: {value}" for key, value in flags[name].items())
            return Verdict(pair.translation, name, detail)
    return Verdict(pair.translation)
