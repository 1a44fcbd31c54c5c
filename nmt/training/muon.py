"""Muon: orthogonal steps for the matrices of the layers, Adam for all other weights.

The paper's Adam (section 5.3) scales the step of each weight alone. Muon (Jordan et al., 2024)
takes a matrix as a whole: instead of its momentum U S V^T, the step is about U V^T, so that rare
directions learn as fast as frequent ones. `train.optimizer = "muon"` chooses it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nmt.model.attention import MultiHeadAttention
from nmt.model.feed_forward import FeedForward

MOMENTUM = 0.95
# The root mean square of a step's elements, as a part of the learning rate. It is about Adam's, so
# that both can have one learning rate (Liu et al., 2025).
STEP_SIZE = 0.2
# x -> a x + b x^3 + c x^5 brings singular values near 1 in few rounds (Jordan et al., 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
SMALLEST = 1e-7  # norm to divide by

Matrices = Mapping[Tensor, Sequence[int]]  # parameters, and the rows of each matrix in one


class Muon(torch.optim.Adam):
    """Adam, except for the matrices of the layers, whose state is a momentum.

    `found_inf`, which the caller sets before each step, is 1 if nothing must change.
    """

    found_inf: Tensor

    def __init__(self, parameters: Sequence[Tensor], matrices: Matrices, **adam: Any) -> None:
        """Prepare to train parameters.

        matrices: those of them that are matrices of layers. adam: arguments of Adam.
        """
        super().__init__(parameters, **adam)
        self._matrices = {parameter: [*rows] for parameter, rows in matrices.items()}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply an update."""
        gradients = {key: key.grad for key in self._matrices if key.grad is not None}
        for parameter in gradients:
            parameter.grad = None  # so Adam leaves it out
        super().step(closure)
        counts = 1 - self.found_inf
        pairs = defaultdict[torch.Size, list[tuple[Tensor, Tensor]]](list)
        for parameter, gradient in gradients.items():
            ahead = self._momentum(parameter, gradient, counts)
            rows = self._matrices[parameter]
            for matrix, part in zip(parameter.split(rows), ahead.split(rows), strict=True):
                is_tall = matrix.shape[0] > matrix.shape[1]
                pair = (matrix.T, part.T) if is_tall else (matrix, part)
                pairs[pair[0].shape].append(pair)
        rate = self.param_groups[0]["lr"]
        for shape, alike in pairs.items():
            steps = orthogonal(torch.stack([part for _, part in alike]))
            # The elements of an orthogonal matrix have a root mean square of width^-0.5.
            steps *= counts * (rate * STEP_SIZE * shape[1] ** 0.5)
            for (matrix, _), step in zip(alike, steps, strict=True):
                matrix.sub_(step)

    def _momentum(self, parameter: Tensor, gradient: Tensor, counts: Tensor) -> Tensor:
        """Add a gradient to the momentum, and return Nesterov's: one step ahead."""
        state = self.state[parameter]
        if "momentum" not in state:  # Adam wants to find a step when it loads a state
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(gradient)}
        gradient = gradient.where(counts > 0, 0)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, counts * (1 - MOMENTUM))
        return gradient.lerp(momentum, MOMENTUM)


def layer_matrices(network: nn.Module) -> Matrices:
    """Return W^Q, W^K, W^V, W^O, W_1 and W_2 of all layers, and the matrices of gates."""
    found = dict[Tensor, list[int]]()
    for module in network.modules():
        if isinstance(module, MultiHeadAttention):
            query, key, value = module.widths
            found[module.out.weight] = [len(module.out.weight)]
            if module.is_cross:
                found |= {module.query.weight: [query], module.key_value.weight: [key, value]}
            else:
                found[module.query_key_value.weight] = [query, key, value]
        elif isinstance(module, FeedForward):
            rows = len(module.inner.weight) // module.input_matrices
            found[module.inner.weight] = [rows] * module.input_matrices
            found[module.outer.weight] = [len(module.outer.weight)]
    return found


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about U V^T of each matrix U S V^T, by Newton-Schulz iteration.

    matrices: (number, rows, columns), with at most as many rows as columns. The singular values of
    the result are 0.68 to 1.2, unless they were below 1/300 of the matrix's norm.
    """
    a, b, c = COEFFICIENTS
    x: Tensor = matrices / torch.linalg.matrix_norm(matrices, keepdim=True).clamp_(min=SMALLEST)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(matrices.dtype)
