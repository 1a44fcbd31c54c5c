"""A model that goes out to transformers and comes back translates as before."""

from pathlib import Path

import numpy
import pytest
import torch

from nmt.runs.trained_model import load_model
from tests.conftest import Run
from tests.interop.models import batch, logits_of

transformers = pytest.importorskip("transformers")


def test_out_and_back_and_out_again(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.safetensors"
    assert nmt("export", tiny_run, tmp_path / "out", "--to", "huggingface").code == 0
    assert nmt("import", tmp_path / "out", "-o", back).code == 0
    lines = tiny_run.parent.parent / "dev.src"
    outputs = [
        nmt("translate", lines, "--model", each, "--beam-size", 1) for each in (tiny_run, back)
    ]
    assert outputs[0].code == outputs[1].code == 0
    # The tokenizer of an imported model drops spaces at the ends, as MarianTokenizer does.
    before, after = ([line.strip() for line in each.out.splitlines()] for each in outputs)
    assert before == after
    assert any(before)

    result = nmt("export", back, tmp_path / "again", "--to", "huggingface")
    assert result.code == 0, result.err
    model = load_model(back, "cpu")
    source, target = batch(model.tokenizer)
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "again").eval()
    with torch.inference_mode():
        theirs = loaded(
            input_ids=torch.from_numpy(source),
            attention_mask=torch.from_numpy(source != 0).long(),
            decoder_input_ids=torch.from_numpy(target),
        ).logits.numpy()
    assert numpy.abs(theirs - logits_of(model, source, target)).max() < 1e-5
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    words = lines.read_text(encoding="utf-8").splitlines()
    ids = model.tokenizer.source.encode(words)
    assert tokenizer(words)["input_ids"] == [[*each, 3] for each in ids]
    rows = [[2, *each] for each in ids]
    assert tokenizer.batch_decode(rows, skip_special_tokens=True) == words
