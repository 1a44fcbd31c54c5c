"""Tell the scripts of letters by Unicode's blocks."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

# Blocks of the scripts that most corpora are in (Unicode 16, Blocks.txt), without punctuation that
# other scripts have too: the Arabic comma, semicolon and question mark, tatweel and the dandas.
BLOCKS = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\uff21-\uff5a",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Arabic": "\u0600-\u060b\u060d-\u061a\u061c-\u061e\u0620-\u063f\u0641-\u06ff"
    "\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefe",
    "Syriac": "\u0700-\u074f",
    "Thaana": "\u0780-\u07bf",
    "NKo": "\u07c0-\u07ff",
    "Devanagari": "\u0900-\u0963\u0966-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Odia": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Myanmar": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Ethiopic": "\u1200-\u137f",
    "Cherokee": "\u13a0-\u13ff\uab70-\uabbf",
    "Khmer": "\u1780-\u17ff",
    "Mongolian": "\u1800-\u18af",
    "Ol Chiki": "\u1c50-\u1c7f",
    "Tifinagh": "\u2d30-\u2d7f",
    "Bopomofo": "\u3100-\u312f\u31a0-\u31bf",
    "Meetei Mayek": "\uaae0-\uaaff\uabc0-\uabff",
    "Adlam": "\U0001e900-\U0001e95f",
    "Kana": "\u3040-\u30ff\uff66-\uff9f",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
}
# Scripts that are written without spaces between words.
WITHOUT_SPACES = frozenset({"Han", "Kana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan"})
LETTER = re.compile(r"[^\W\d_]")


@cache
def pattern_of(script: str) -> re.Pattern[str]:
    """Return a pattern of one letter of a script."""
    return re.compile(f"[{BLOCKS[script]}]")


@cache
def runs_of(scripts: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern of a run of letters of any of these scripts."""
    return re.compile(f"[{''.join(BLOCKS[each] for each in sorted(scripts))}]+")


def usual_scripts(texts: Iterable[str], least_share: float) -> frozenset[str]:
    """Return the scripts that have at least this share of the letters of some texts."""
    letters = Counter("".join(texts))
    counts = {
        script: sum(n for letter, n in letters.items() if pattern_of(script).match(letter))
        for script in BLOCKS
    }
    least = least_share * max(1, sum(counts.values()))
    return frozenset(script for script, count in counts.items() if count >= max(1, least))


def foreign_script(text: str, usual: frozenset[str], most: float) -> str:
    """Return the script of a text if more than a share of its letters is not in the usual ones.

    Returns "" for a text without letters of a known script, or if nothing is usual.
    """
    if not usual or (text.isascii() and "Latin" in usual):
        return ""
    letters = sum(map(len, runs_of(frozenset(BLOCKS)).findall(text)))
    own = sum(map(len, runs_of(usual).findall(text)))
    if not letters or letters - own <= most * letters:
        return ""
    (script,) = sorted(usual_scripts([text], 0) - usual, key=lambda each: -share(each, text))[:1]
    return script


def share(script: str, text: str) -> int:
    """Return how many letters of a text are in a script."""
    return len(pattern_of(script).findall(text))
