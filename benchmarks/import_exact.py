"""Compare an imported OPUS-MT model with the original in transformers, on real sentences.

    pip install transformers
    python benchmarks/import_exact.py opus-mt-en-de test.en

It imports a folder in Hugging Face's layout. It prints how many sentences get the same tokens, the
largest difference of a logit over all positions of nmt's greedy outputs, and how many outputs are
the same: of greedy search, and of a beam of 4 without length penalty. float32 on a CPU.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from nmt.decoding.translator.translator import Translator
from nmt.interop.import_model import import_model
from nmt.interop.opus_mt import NEVER
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.lines import read_segments
from nmt.text.plan import source_rows
from nmt.text.tokenizer import BOS, EOS, PAD, UNK, SubwordModel

ROOM = 60  # tokens of an output beyond those of its source


class Original:
    """A model in transformers, which takes and gives the ids of the imported one."""

    def __init__(self, folder: Path, model: TrainedModel) -> None:
        """Load the model of a folder."""
        from transformers import MarianMTModel, MarianTokenizer, logging

        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        self.tokenizer: Any = MarianTokenizer.from_pretrained(folder)
        self.model: Any = MarianMTModel.from_pretrained(folder)
        self.model.train(False)
        other = folder / "target_vocab.json"
        self.source = ids_of(folder / "vocab.json", model.tokenizer.source)
        target = other if other.exists() else folder / "vocab.json"
        self.target = ids_of(target, model.tokenizer.target)

    def tokens(self, lines: list[str]) -> list[list[int]]:
        """Return the tokens of lines in our ids, with EOS."""
        ours = {each: number for number, each in enumerate(self.source)}
        return [[ours[each] for each in row] for row in self.tokenizer(lines)["input_ids"]]

    @torch.inference_mode()
    def logits(self, source: Sequence[int], target: Sequence[int]) -> torch.Tensor:
        """Return the logits (T, V) after the start and after each target token, in our ids."""
        start = self.model.config.decoder_start_token_id
        read = torch.tensor([[self.source[each] for each in source]])
        written = torch.tensor([[start, *(self.target[each] for each in target)]])
        found = self.model(input_ids=read, decoder_input_ids=written).logits[0]
        logits: torch.Tensor = found[:, self.target]
        return logits

    @torch.inference_mode()
    def search(self, source: Sequence[int], beam_size: int) -> list[int]:
        """Return the best output in our ids, without EOS."""
        found = self.model.generate(
            torch.tensor([[self.source[each] for each in source]]),
            num_beams=beam_size,
            length_penalty=0.0,
            early_stopping=False,
            do_sample=False,
            max_new_tokens=len(source) - 1 + ROOM,
            bad_words_ids=[[self.target[PAD]], [self.target[UNK]]],
        )
        ours = {each: number for number, each in enumerate(self.target)}
        ids = [ours[each] for each in found[0, 1:].tolist()]
        # An output that reaches the limit ends there; ours has its end instead of the last token.
        return ids[: ids.index(EOS)] if EOS in ids else ids[:-1]


def ids_of(path: Path, subwords: SubwordModel) -> list[int]:
    """Return the ids in a vocabulary file by ours; BOS, which the file lacks, as that of EOS."""
    names = json.loads(path.read_text(encoding="utf-8"))
    found = [names[subwords.piece(each)] for each in range(len(subwords)) if each != BOS]
    return [*found[:BOS], found[BOS], *found[BOS:]]


def outputs(model: TrainedModel, sources: list[list[int]], beam_size: int) -> list[list[int]]:
    """Return the best outputs of our search."""
    settings = replace(
        model.recipe.decode,
        beam_size=beam_size,
        length_penalty=0.0,
        max_extra_tokens=ROOM,
        precision="float32",
        odd_input="as_is",
    )
    translator = Translator(model, settings, lambda _: None)
    return [[*best.ids] for best, *_ in translator.search(sources)]


@torch.inference_mode()
def difference(model: TrainedModel, original: Original, source: list[int], out: list[int]) -> float:
    """Return the largest difference of a logit after the tokens of an output."""
    rows = torch.from_numpy(source_rows([source]))
    ours = model.network(rows, torch.tensor([[BOS, *out]]))[0]
    theirs = original.logits([*source, EOS], out)
    # A token that is never written has a logit of about -10,000: float32 has few digits there.
    possible = theirs > NEVER / 2
    possible[:, BOS] = False
    return float((ours - theirs)[possible].abs().max())


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("--lines", default=1000, show_default=True, help="Sentences to compare.")
def command(folder: Path, text: Path, lines: int) -> None:
    """Compare the model in FOLDER with its import, on the first sentences of TEXT."""
    sentences = [line for line in read_segments(text) if line.strip()][:lines]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.safetensors"
        started = time.perf_counter()
        import_model(folder, path, "en-de", lambda _: None)
        click.echo(f"import: {time.perf_counter() - started:.1f} s")
        model = load_model(path, "cpu")
        original = Original(folder, model)
        sources = model.tokenizer.source.encode(sentences)
        same = [[*x, EOS] == y for x, y in zip(sources, original.tokens(sentences), strict=True)]
        click.echo(f"sentences with the same tokens: {sum(same):,} of {len(same):,}")
        for beam_size in (1, 4):
            found = outputs(model, sources, beam_size)
            if beam_size == 1:
                pairs = zip(sources, found, strict=True)
                worst = max(difference(model, original, *pair) for pair in pairs)
                click.echo(f"largest difference of a logit: {worst:.1e}")
            theirs = [original.search([*source, EOS], beam_size) for source in sources]
            equal = sum(x == y for x, y in zip(found, theirs, strict=True))
            click.echo(f"the same outputs with a beam of {beam_size}: {equal:,} of {len(found):,}")


if __name__ == "__main__":
    command()
