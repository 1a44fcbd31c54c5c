"""Sentences of a model's own dev set: one to explain if none was given, and others to try.

The example shows what attention is for: the words that one source word becomes stand far apart, as
a German verb and its particle do. It is found by the model's own word alignment, so no rule knows a
language.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from nmt.config import DecodeSettings
from nmt.decoding.translator.translation import Link, OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.documents.registry import bilingual_reader
from nmt.errors import NmtError
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import find_run
from nmt.runs.trained_model import TrainedModel
from nmt.studio.explain.explanation import check_settings
from nmt.text.prepare import read_dev_pairs
from nmt.text.reading.corpus import DataFolder, Pair
from nmt.text.reading.lines import FirstSegment
from nmt.text.subwords.tokenizer import target_token

TOKENS = range(8, 15)  # of the example: enough to have an order, and seen at once
CANDIDATES = 24  # that are translated to find it; 60 milliseconds with a small model
LONGEST = 80  # characters of the other sentences
OTHERS = 4


def choose_texts(
    model: TrainedModel, settings: DecodeSettings, text: str, data_dir: Path | None, output: Path
) -> tuple[str, list[str]]:
    """Return the text, or an example without one, and other sentences to try.

    data_dir: as `nmt evaluate` takes it. output: the page that will be written. Raises NmtError if
    there is no text and no dev set to take one of, and UsageError for settings that a page cannot
    show, and if the output is a file of the dev set.
    """
    paths: list[Path] = []
    pairs: list[Pair] = []
    subwords = model.tokenizer.source
    token = target_token(settings.target_language, subwords, settings.target_language)
    try:
        data = DataFolder(find_run(model.path).data_dir(data_dir), bilingual_reader)
        for files in model.recipe.data.dev:
            paths += data.text(files, model.recipe).paths
        for (_, language), own in read_dev_pairs(model.recipe, data).items():
            if target_token(language, subwords, language) == token:
                pairs += (pair for pair in own if pair.source.strip())
        if not text and not pairs:
            raise NmtError(f"the model has no dev set{' into this language' if token else ''}")
    except NmtError as error:
        if not text:
            raise NmtError(
                f'no example was found: {error}; or give one: nmt explain "TEXT"'
            ) from error
    check_output(output, paths)
    text = text or find_example(model, settings, pairs)
    return text, other_sentences(pairs, besides=text)


def find_example(model: TrainedModel, settings: DecodeSettings, pairs: Sequence[Pair]) -> str:
    """Return the source of some short pairs whose words move farthest in the translation.

    The model translates it as its reference does, if it does so with any of them. Raises UsageError
    for settings that a page cannot show.
    """
    check_settings(settings)
    encode = model.tokenizer.source.encode
    clauses = (pair for pair in pairs if "," not in pair.source)
    short = (pair for pair in clauses if len(encode([pair.source])[0]) in TOKENS)
    tried = [*islice(short, CANDIDATES)] or pairs[:CANDIDATES]
    options = OutputOptions(alignments=True)
    translator = Translator(model, settings, lambda _: None, options)

    def merit(found: tuple[Pair, Translation]) -> tuple[bool, int]:
        pair, translation = found
        return translation.text == pair.target.strip(), widest_gap(translation.links)

    translations = translator.translate(FirstSegment(pair.source) for pair in tried)
    best, _ = max(zip(tried, translations, strict=True), key=merit)
    return best.source.strip()


def widest_gap(links: Sequence[Link]) -> int:
    """Return the greatest distance between two words of an output that one source word became."""
    outputs: dict[int, list[int]] = {}
    for source, output in links:
        outputs.setdefault(source, []).append(output)
    return max((max(words) - min(words) for words in outputs.values()), default=0)


def other_sentences(pairs: Sequence[Pair], besides: str) -> list[str]:
    """Return up to `OTHERS` short sources of different lengths, shortest first."""
    sources = dict.fromkeys(pair.source.strip() for pair in pairs)
    short = sorted((text for text in sources if len(text) <= LONGEST and text != besides), key=len)
    step = len(short) / (OTHERS + 1)
    return [short[int(step * number)] for number in range(1, OTHERS + 1)] if step >= 1 else short
