"""Say how an exported model is used, in the words of its model card."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """The program that a format is for, and how it loads the model."""

    program: str
    text: str  # Markdown
    library: str = ""  # the Hub's name of the program


CTRANSLATE2 = """\
`nmt translate --engine ctranslate2` translates with this folder. In Python, with the packages
`ctranslate2` and `sentencepiece`:

```python
import ctranslate2
import sentencepiece

folder = "path/to/this/folder"
translator = ctranslate2.Translator(folder)
subwords = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/tokenizer.model")
pieces = subwords.encode("A dog runs.", out_type=str)
(result,) = translator.translate_batch([pieces], beam_size=4)
print(subwords.decode(result.hypotheses[0]))
```

A model with two vocabularies has `source.spm` and `target.spm` instead of one SentencePiece
model."""

ARGOS = """\
Install it in Argos Translate, which LibreTranslate uses:

```sh
argospm install path/to/this.argosmodel
argos-translate --from SOURCE --to TARGET "A dog runs."
```"""

HUGGINGFACE = """\
In Python, with the packages `transformers`, `torch` and `sentencepiece`:

```python
from transformers import AutoModelForSeq2SeqLM, MarianTokenizer

folder = "path/to/this/folder"
tokenizer = MarianTokenizer.from_pretrained(folder)
model = AutoModelForSeq2SeqLM.from_pretrained(folder)
outputs = model.generate(**tokenizer(["A dog runs."], return_tensors="pt", padding=True))
print(tokenizer.batch_decode(outputs, skip_special_tokens=True))
```

The logits are those of nmt to 1e-4. Beam search is not the same: `transformers` divides the
log-probability of an output by its length to the power of `length_penalty`, nmt by
((5 + length) / 6)^alpha. With `length_penalty=0.0` and alpha = 0, both compare probabilities."""

ONNX = """\
`onnxruntime` runs the two graphs, and `sentencepiece` splits text into subwords. The page "Export
to ONNX" of nmt's manual has a complete program. `settings.json` has the ids and the names of inputs
and outputs."""

USAGES = {
    "ctranslate2": Usage("CTranslate2", CTRANSLATE2, "ctranslate2"),
    "argos": Usage("Argos Translate", ARGOS),
    "huggingface": Usage("transformers", HUGGINGFACE, "transformers"),
    "onnx": Usage("onnxruntime", ONNX, "onnx"),
}
