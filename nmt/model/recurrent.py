"""A recurrent encoder-decoder with attention, as translation was done before the paper.

It is the baseline that shows what attention alone gave: bidirectional LSTMs (Hochreiter and
Schmidhuber, 1997) encode the source, an LSTM with additive attention writes the target (Bahdanau et
al., 2015), and deep stacks have residual connections and read the attended source in every layer
(Wu et al., 2016). Embeddings, dropout, loss and search are those of the Transformer.

Dimensions: B sentences, R rows of the decoder (B, or K hypotheses for each sentence), S source
positions, T target positions, L decoder layers, d = d_model.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.kernels.rule import IdArray
from nmt.model.attention import AttentionRecorder, padding_mask
from nmt.model.encoder_decoder import EncoderDecoder


@dataclass(frozen=True)
class RecurrentState:
    """Hold what the decoder remembers between two target positions.

    The memory exists once for each sentence; `hidden`, `cells` and `context` have R rows, those of
    a sentence next to each other.
    """

    memory: Tensor  # (B, S, d)
    mask: Tensor | None  # (B, 1, 1, S), hides the padding of the memory
    keys: Tensor  # (B, S, d), the memory as additive attention compares it
    hidden: tuple[Tensor, ...]  # of each layer, (R, d)
    cells: tuple[Tensor, ...]  # of each layer, (R, d)
    context: Tensor  # (R, d), the attended memory

    @torch.inference_mode()
    def select(self, rows: Tensor | IdArray) -> "RecurrentState":
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old R rows."""
        chosen = torch.as_tensor(rows, device=self.context.device)
        own, beam = chosen.flatten(), len(self.context) // len(self.memory)
        sentences = torch.div(chosen[:, 0], beam, rounding_mode="floor")
        return RecurrentState(
            self.memory[sentences],
            None if self.mask is None else self.mask[sentences],
            self.keys[sentences],
            tuple(layer[own] for layer in self.hidden),
            tuple(layer[own] for layer in self.cells),
            self.context[own],
        )


class AdditiveAttention(nn.Module):
    """Weights softmax(v . tanh(W q + U m)) over the memory m (Bahdanau et al., 2015, A.1.2)."""

    is_cross = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)
        self.recorder: AttentionRecorder | None = None

    def forward(
        self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the attended memory (R, d) and the weights (B, K, S).

        query: (R, d), the rows of a sentence next to each other. keys, memory: (B, S, d). mask:
        (B, 1, 1, S) hides padding.
        """
        rows = self.query(query).view(len(keys), -1, 1, query.shape[-1])  # (B, K, 1, d)
        scores = self.energy(torch.tanh(rows + keys[:, None]))[..., 0]  # (B, K, S)
        if mask is not None:
            scores = scores + mask[:, 0]
        weights = scores.softmax(-1)
        return (weights @ memory).view_as(query), weights


class Recurrent(EncoderDecoder):
    """Stacks of LSTMs with attention; each position waits for the one before it."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        """Make a model with random weights; `pad_id` is the id of padding in its inputs."""
        super().__init__(settings, vocab_size, pad_id)
        d = settings.d_model
        self.encoder = nn.ModuleList(
            nn.LSTM(d, d // 2, batch_first=True, bidirectional=True)
            for _ in range(settings.encoder_layers)
        )
        self.first_hidden = nn.Linear(d, d)
        self.attention = AdditiveAttention(d)
        # The bottom layer reads the target and the last context, those above it what is below them
        # and the new context.
        self.decoder = nn.ModuleList(
            nn.LSTM(2 * d, d, batch_first=True) for _ in range(settings.decoder_layers)
        )
        self.out = nn.Linear(2 * d, d)
        self.dropout = Dropout(settings.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw matrices Glorot-uniformly, those of each gate alone; forget gates begin open."""
        self.embeddings.reset_parameters()
        for name, weight in self.named_parameters():
            if name.startswith("embeddings."):
                continue
            if weight.dim() == 1:
                nn.init.zeros_(weight)
                if "bias_ih" in name:
                    nn.init.ones_(weight.chunk(4)[1])  # Jozefowicz et al., 2015
            else:
                for gate in weight.chunk(4 if "_ih_" in name or "_hh_" in name else 1):
                    nn.init.xavier_uniform_(gate)

    def encode(self, source: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode ids (B, S); arguments and result are those of `EncoderDecoder.encode`."""
        x = self.embeddings.embed_source(source, kept)
        is_padding = source == self.pad_id
        # The backward direction must begin at the last token, not in the padding.
        lengths = (~is_padding).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        x = packed.data
        for number, layer in enumerate(self.encoder):
            above = self.dropout(layer(packed._replace(data=x))[0].data)
            x = above if number == 0 else x + above
        memory, _ = nn.utils.rnn.pad_packed_sequence(
            packed._replace(data=x), True, total_length=source.shape[1]
        )
        return memory, padding_mask(is_padding, memory.dtype)

    def first_state(self, memory: Tensor, mask: Tensor | None) -> RecurrentState:
        """Return the state before the first target position, one row for each sentence.

        The bottom layer begins with the mean of the memory (Sennrich et al., 2017).
        """
        is_real = torch.ones_like(memory[..., :1])
        if mask is not None:
            is_real = (mask == 0).to(memory).view_as(is_real)
        mean = (memory * is_real).sum(1) / is_real.sum(1)
        zeros = torch.zeros_like(mean)
        hidden = torch.tanh(self.first_hidden(mean)), *[zeros] * (len(self.decoder) - 1)
        keys = self.attention.key(memory)
        return RecurrentState(memory, mask, keys, hidden, (zeros,) * len(hidden), zeros)

    def decode(
        self,
        target_input: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None,
        *,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder's layers; arguments and result are those of `EncoderDecoder.decode`."""
        return self.advance(target_input, self.first_state(memory, memory_mask), kept)[0]

    def advance(
        self, target_input: Tensor, state: RecurrentState, kept: Tensor | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Run the decoder over the next positions (R, T).

        Returns its output (R, T, d) and the state after them. kept: as in `decode`.
        """
        x = self.embeddings.embed_target(target_input, kept=kept)
        x, contexts, *last = self.bottom(x, state)
        hidden, cells = [last[0]], [last[1]]
        for layer, *before in zip(
            [*self.decoder][1:], state.hidden[1:], state.cells[1:], strict=True
        ):
            own = tuple(part[None] for part in before)
            above, (last_hidden, last_cell) = layer(torch.cat([x, contexts], -1), own)
            hidden.append(last_hidden[0])
            cells.append(last_cell[0])
            x = x + self.dropout(above)
        out = self.dropout(torch.tanh(self.out(torch.cat([x, contexts], -1))))
        after = replace(state, hidden=tuple(hidden), cells=tuple(cells), context=contexts[:, -1])
        return out, after

    def bottom(self, x: Tensor, state: RecurrentState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run the bottom layer, which attends to the memory, position by position.

        x: the embedded target (R, T, d). Returns the output and the attended memory, both
        (R, T, d), and the last hidden state and cell, both (R, d).
        """
        weight, of_hidden, *biases = self.decoder[0].parameters()
        of_target, of_context = weight.split(x.shape[-1], dim=1)
        # One product for all positions; what depends on the one before is left for the loop.
        inputs = linear(x, of_target, biases[0] + biases[1])  # (R, T, 4d)
        recurrent = torch.cat([of_context, of_hidden], 1).t()  # (2d, 4d)
        hidden, cell, context = state.hidden[0], state.cells[0], state.context
        outputs, contexts, weights = [], [], []
        for from_target in inputs.unbind(1):
            gates = torch.addmm(from_target, torch.cat([context, hidden], -1), recurrent)
            read, forget, new, write = gates.chunk(4, dim=-1)
            cell = forget.sigmoid() * cell + read.sigmoid() * new.tanh()
            hidden = write.sigmoid() * cell.tanh()
            context, attended = self.attention(hidden, state.keys, state.memory, state.mask)
            outputs.append(hidden)
            contexts.append(context)
            weights.append(attended)
        output = torch.stack(outputs, 1)
        if self.attention.recorder is not None:
            attended = torch.stack(weights, 2)  # (B, K, T, S)
            self.attention.recorder(output, state.keys, state.memory, attended)
        return self.dropout(output), torch.stack(contexts, 1), hidden, cell
