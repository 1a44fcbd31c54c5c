"""Make a translator of documents from a loaded model."""

from collections.abc import Callable, Sequence

from nmt.artifacts.trained_model import TrainedModel
from nmt.config import DecodeSettings
from nmt.decoding.glossary import Entry
from nmt.decoding.requests import Request
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.decoding.wanted import Wanted
from nmt.formats.document import Options
from nmt.formats.marks import Placer
from nmt.formats.memory import Memory
from nmt.formats.translate import DocumentTranslator

CANDIDATES = 4  # of a sentence with marks: the first that keeps them all is taken


def document_translator(
    model: TrainedModel,
    settings: DecodeSettings,
    options: Options,
    *,
    glossary: Sequence[Entry] = (),
    memory: Memory | None = None,
    on_progress: Callable[[int], object] = lambda count: None,
) -> DocumentTranslator:
    """Return what translates documents with a model.

    Args:
        model: a model, or an ensemble.
        settings: how to search.
        options: what the user says about the files; the languages are set to the model's.
        glossary: terms that translations must contain.
        memory: what was translated before.
        on_progress: called with the number of sentences that were translated.

    Raises:
        NmtError, UsageError: as `Translator` does.
    """
    is_beam = settings.method == "beam" and settings.mbr == "none"
    wanted = Wanted(min(CANDIDATES, settings.beam_size) if is_beam else 1)
    translator = Translator.of(model, settings, drop, wanted, glossary=glossary)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [each for chunk in translator.chunks([requests]) for each in chunk]

    placer = Placer(translate, knows_marks=False)
    return DocumentTranslator(placer.translate, options, memory, on_progress)


def drop(message: str) -> None:
    """Drop a note on a line number: it counts sentences, which a file does not have."""
