"""Translate a text once with each model: all of one side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from nmt.config import DecodeSettings
from nmt.corpora.augment.material import Material
from nmt.corpora.augment.methods import SOURCE, TARGET
from nmt.corpora.augment.verdicts import judged
from nmt.corpora.check.reading import Refused
from nmt.decoding.files.resumable import Resumption
from nmt.decoding.files.text_files import Output
from nmt.decoding.stream import Source, chunks_of
from nmt.decoding.translator.translation import Request
from nmt.decoding.translator.translator import Translator
from nmt.errors import UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify, progress_bar

Load = Callable[[Path], tuple[TrainedModel, DecodeSettings]]


@dataclass(frozen=True)
class Pass:
    """Hold a model, and the side of a text that it translates."""

    model: TrainedModel
    settings: DecodeSettings
    side: int  # that it reads

    @property
    def languages(self) -> tuple[str, str]:
        """Return the languages of source and target of the pairs that it makes."""
        data = self.model.recipe.data
        pair = data.source_language, data.target_language
        return pair if self.side == SOURCE else (pair[1], pair[0])

    def __str__(self) -> str:
        """Return a phrase such as "runs/de_en/model.safetensors, from de to en"."""
        data = self.model.recipe.data
        return f"{self.model.path}, from {data.source_language} to {data.target_language}"


def load_passes(
    models: Sequence[Path], reverse_models: Sequence[Path], side: int | None, load: Load
) -> list[Pass]:
    """Return a pass for each model.

    Args:
        models: those that read the text, if it is monolingual; else those that read the source.
        reverse_models: those that read the target of a parallel text.
        side: of pairs, that the text is; None: it is parallel.
        load: loads a model.
    """
    sides = [(path, SOURCE if side is None else side) for path in models]
    sides += [(path, TARGET) for path in reverse_models]
    return [Pass(*load(path), each) for path, each in sides]


def check_languages(passes: Sequence[Pass], material: Material, notify: Notify) -> None:
    """Raise UsageError for a model of the wrong direction, by the names of files and by the others.

    notify: receives what seems odd.
    """
    first = passes[0]
    named = material.languages()
    for each in passes:
        if each.languages != first.languages:
            raise UsageError(
                f"{first} and {each} do not go together: one makes pairs"
                f" {' to '.join(first.languages)}, the other {' to '.join(each.languages)}"
            )
        read, written = each.languages[each.side], each.languages[1 - each.side]
        found = named[each.side]
        if found and found == written and read != written:
            raise UsageError(
                f"{material.title} is {found} by its name, so {material.method.name} needs a model"
                f" that reads {found}, and this one does not: {each}"
            )
        if found and found != read:
            notify(f"{material.title} is {found} by its name, but the model reads {read}: {each}")


class Asked:
    """Iterate over the requests of all passes in chunks, and know the place of each chunk."""

    def __init__(self, passes: Sequence[Pass], material: Material) -> None:
        self._chunks = (
            (number, [*map(Request, chunk)])
            for number, each in enumerate(passes)
            for chunk in chunks_of(Source(segments(material, each.side)))
        )
        self.number = 0  # of the pass of the last chunk
        self.line = 1  # that comes after the last chunk

    def __iter__(self) -> Iterator[list[Request]]:
        return self

    def __next__(self) -> list[Request]:
        number, chunk = next(self._chunks)
        if number != self.number:
            self.number, self.line = number, 1
        self.line += len(chunk)
        return chunk

    def numbered(self, rest: list[Request]) -> Iterator[tuple[int, list[Request]]]:
        """Yield what is left of a chunk and all later chunks, with the numbers of their passes."""
        if rest:
            yield self.number, rest
        for chunk in self:
            yield self.number, chunk


def segments(material: Material, side: int) -> Iterator[str]:
    """Yield one side of a text; lines that cannot be read are blank."""
    return (pair[side] for pair in material.pairs(Refused()))


def translate_passes(
    passes: Sequence[Pass],
    material: Material,
    lines: int,
    resumption: Resumption,
    written: Output,
    notify: Notify,
) -> None:
    """Write a line with the verdict on each translation of each pass, from where it was stopped.

    lines: of the text.
    """
    asked = Asked(passes, material)
    total = lines * len(passes)
    with progress_bar(
        unit="segment", desc="translate", total=total, initial=written.done.lines
    ) as bar:
        rest = resumption.check(asked)
        for number, group in groupby(asked.numbered(rest), key=lambda each: each[0]):
            translator = Translator(passes[number].model, passes[number].settings, notify)
            translator.searcher.keep_one_backend()
            subwords = translator.tokenizer.source
            sent = list[list[str]]()  # the segments of chunks that are being translated
            first_line = written.done.lines - number * lines + 1
            for chunk in translator.chunks(sending(group, resumption, sent), first_line):
                verdicts = judged(subwords, sent.pop(0), chunk)
                written.write([each.as_line() for each in verdicts], len(chunk))
                bar.update(len(chunk))


def sending(
    group: Iterator[tuple[int, list[Request]]], resumption: Resumption, sent: list[list[str]]
) -> Iterator[list[Request]]:
    """Yield the chunks of a pass, and take notice of them."""
    for _, chunk in group:
        resumption.add(chunk)
        sent.append([request.text for request in chunk])
        yield chunk
