"""Guarantees of masks, of the tied matrix and of what decoding keeps between steps."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from nmt.decoding.models.pytorch import make_decoder
from nmt.kernels.dropout import Dropout
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.transformer import Transformer
from tests.model.conftest import PAD, SMALL

SOURCE = torch.tensor([[5, 9, 4, 3], [7, 3, PAD, PAD]])
TARGET = torch.tensor([[2, 6, 8, 11, 4], [2, 12, 5, PAD, PAD]])


@pytest.mark.parametrize("position", range(5))
def test_a_future_token_changes_no_earlier_output(network: EncoderDecoder, position: int) -> None:
    changed = TARGET.clone()
    changed[:, position] = 13
    before, after = network(SOURCE, TARGET), network(SOURCE, changed)
    assert torch.equal(before[:, :position], after[:, :position])
    assert not torch.equal(before[:, position], after[:, position])


def test_padding_changes_nothing(network: EncoderDecoder) -> None:
    """A pair has the same logits alone, batched with a longer pair, and with a much longer one."""
    together = network(SOURCE, TARGET)[1, :3]
    alone = network(SOURCE[1:, :2], TARGET[1:, :3])[0]
    wide_source = torch.nn.functional.pad(SOURCE, (0, 40), value=PAD)
    wide_target = torch.nn.functional.pad(TARGET, (0, 40), value=PAD)
    wide = network(wide_source, wide_target)[1, :3]
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)
    torch.testing.assert_close(wide, alone, atol=1e-12, rtol=0)


def test_every_source_token_reaches_every_output(network: EncoderDecoder) -> None:
    base = network(SOURCE, TARGET)[0]
    for position in range(4):
        changed = SOURCE.clone()
        changed[0, position] = 14
        assert (network(changed, TARGET)[0] != base).any(dim=-1).all()


def test_cached_steps_equal_the_full_decoder(network: EncoderDecoder) -> None:
    """Step by step, with rows repeated, reordered and a sentence dropped on the way."""
    decoder: Any = make_decoder(network)
    state = decoder.encode(SOURCE)
    logits, state = decoder.step(torch.tensor([[2], [2]]), state)
    full = network(SOURCE, torch.tensor([[2], [2]]))
    torch.testing.assert_close(logits[:, 0], full[:, -1], atol=1e-12, rtol=0)

    state = state.select(torch.tensor([[0, 0, 0], [1, 1, 1]]))
    logits, state = decoder.step(torch.tensor([[6, 7, 8], [9, 10, 11]]), state)
    for sentence, pieces in enumerate([[6, 7, 8], [9, 10, 11]]):
        for row, piece in enumerate(pieces):
            full = network(SOURCE[sentence : sentence + 1], torch.tensor([[2, piece]]))
            torch.testing.assert_close(logits[sentence, row], full[0, -1], atol=1e-12, rtol=0)

    state = state.select(torch.tensor([[5, 3]]))  # the second sentence's third and first rows
    logits, _ = decoder.step(torch.tensor([[4, 5]]), state)
    for row, prefix in enumerate([[2, 11, 4], [2, 9, 5]]):
        full = network(SOURCE[1:], torch.tensor([prefix]))
        torch.testing.assert_close(logits[0, row], full[0, -1], atol=1e-12, rtol=0)


def test_dropout_is_only_on_sublayers_and_embeddings() -> None:
    """One for the embeddings and one for each sub-layer; none for attention weights."""
    model = Transformer(SMALL, vocab_size=17, pad_id=PAD)
    dropouts = [m for m in model.modules() if isinstance(m, Dropout)]
    assert len(dropouts) == 1 + 2 * SMALL.encoder_layers + 3 * SMALL.decoder_layers


def test_initial_embedding_has_the_authors_deviation() -> None:
    model = Transformer(replace(SMALL, d_model=64), vocab_size=2000, pad_id=PAD)
    assert float(model.embeddings.weight.detach().std()) == pytest.approx(64**-0.5, rel=0.02)
