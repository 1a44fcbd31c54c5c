"""Make a translator of documents from a loaded model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from nmt.config import DecodeSettings
from nmt.decoding.files.quality import checked_pairs, find_flags
from nmt.decoding.marks.marked import Marked
from nmt.decoding.terms.glossary import Term
from nmt.decoding.translator.translation import Candidate, OutputOptions, Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.formats.document import Options
from nmt.formats.marking.placer import Placed, Placer
from nmt.formats.memories.memory import Memory
from nmt.formats.translate import DocumentTranslator
from nmt.runs.trained_model import TrainedModel
from nmt.system.json_data import json_text
from nmt.text.tokenizer import SubwordModel

CANDIDATES = 4  # of a sentence with marks: the first that keeps them all is taken


def document_translator(
    model: TrainedModel,
    settings: DecodeSettings,
    options: Options,
    *,
    glossary: Sequence[Term] = (),
    memory: Memory | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> DocumentTranslator:
    """Return what translates documents with a model.

    Args:
        model: a model, or an ensemble.
        settings: how to search.
        options: what the user says about the files; the languages are set to the model's.
        glossary: terms that translations must contain.
        memory: what was translated before.
        on_progress: called with the numbers of sentences that are translated and that there are.

    Raises:
        NmtError, UsageError: as `Translator` does.
    """
    is_beam = settings.method == "beam" and settings.mbr == "none"
    asked = OutputOptions(min(CANDIDATES, settings.beam_size) if is_beam else 1)
    translator = Translator(model, settings, drop, asked, glossary=glossary)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [each for chunk in translator.chunks([requests]) for each in chunk]

    placer = Placer(translate)
    subwords = translator.tokenizer.source

    def place(sentences: Sequence[Marked]) -> list[Placed]:
        return with_quality_flags(subwords, sentences, placer.translate(sentences))

    documents = DocumentTranslator(place, options, memory, on_progress)
    translator.scheduler.on_batch = documents.advance
    return documents


def with_quality_flags(
    subwords: SubwordModel, sentences: Sequence[Marked], placed: Sequence[Placed]
) -> list[Placed]:
    """Return translated sentences, flagged too if their translations are probably wrong.

    subwords: those of the source language. Numbers are left out: they are checked with the marks.
    """
    texts = [" ".join(each.without_marks().split()) for each in sentences]
    chosen = [candidate_of(each) for each in placed]
    pairs = checked_pairs(subwords, texts, [Translation((each,)) for each in chosen])
    found = []
    for each, pair in zip(placed, pairs, strict=True):
        flags = find_flags(pair) if each.candidates else []
        kept = [
            f"{flag.name}: {json_text(flag.values)}" for flag in flags if flag.name != "numbers"
        ]
        found.append(each._replace(flags=(*each.flags, *kept)))
    return found


def candidate_of(placed: Placed) -> Candidate:
    """Return the candidate that was chosen, without its marks."""
    text = placed.text.without_marks()
    own = next((each for each in placed.candidates if each.text == placed.text.text), None)
    return replace(own, text=text, marks=()) if own else Candidate(text, 0.0, 0.0)


def drop(message: str) -> None:
    """Drop a note on a line number: it counts sentences, which a file does not have."""
