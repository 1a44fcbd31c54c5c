"""Prepare a trained Transformer for decoding: the same modules over packed weights."""

import copy
from typing import Protocol

import torch
from torch import Tensor, nn

from nmt.kernels.linear import PackedLinear, int8_if_large
from nmt.model.attention import MultiHeadAttention
from nmt.model.feed_forward import FeedForward
from nmt.model.transformer import Transformer


class LinearFactory(Protocol):
    """A constructor of linear layers for a fixed weight, such as `PackedLinear`."""

    def __call__(
        self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
    ) -> nn.Module: ...


def packed_copy(model: Transformer, precision: str) -> tuple[Transformer, nn.Module]:
    """Copy a model with its linear layers packed for the processor.

    The copy shares the memory of everything else with the model, except in bf16. It does not see
    later training.

    Args:
        model: left unchanged.
        precision: of `decode.precision`; int8 needs `nmt.kernels.linear.has_int8`.

    Returns:
        The copy in evaluation mode, and the packed projection to the softmax. A matrix that also
        embeds stays in the copy as well.
    """
    if precision == "bf16":
        copied = copy.deepcopy(model).bfloat16()
    else:
        shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        copied = copy.deepcopy(model, shared)
    make: LinearFactory = int8_if_large if precision == "int8" else PackedLinear
    for module in copied.modules():
        if isinstance(module, MultiHeadAttention):
            pack_attention(module, make)
        elif isinstance(module, FeedForward):
            pack_feed_forward(module, make)
    embeddings = copied.embeddings
    project = make(*detached(embeddings.softmax_weight, embeddings.softmax_bias))
    embeddings.own_softmax_weight = None  # packed: it does not embed, so one copy is enough
    return copied.eval(), project


def call_directly(model: nn.Module) -> None:
    """Let each module of a packed copy find its children and weights as plain attributes.

    A child is found as its `forward`. `nn.Module` looks children up in Python code and checks for
    hooks at each call: 130 of 580 microseconds of a small model's step for one sentence. Hooks are
    not called afterwards. Buffers stay as they are, because tables of positions grow.
    """
    for module in model.modules():
        found = {name: direct_form(child) for name, child in module.named_children()}
        vars(module).update(found)
        vars(module).update(module.named_parameters(recurse=False))


def direct_form(module: nn.Module) -> object:
    """Return what replaces a module in its parent: its `forward`, a list of them, or itself."""
    if isinstance(module, nn.ModuleList):
        return [direct_form(each) for each in module]
    if isinstance(module, nn.LayerNorm):  # its `forward` adds two more calls in Python
        shape, weight, bias, epsilon = (
            module.normalized_shape,
            module.weight,
            module.bias,
            module.eps,
        )
        return lambda x: torch.layer_norm(x, shape, weight, bias, epsilon)
    return module if type(module).forward is nn.Module.forward else module.forward


def pack_attention(module: MultiHeadAttention, make: LinearFactory) -> None:
    """Replace the projections, with the factor 1 / sqrt(d_k) in the weight of the queries."""
    projection = "query" if module.is_cross else "query_key_value"
    weight, bias = parameters_of(module.get_submodule(projection))
    queries, scale = module.widths[0], module.scale
    module.scale = 1.0
    weight = scaled(weight, queries, scale)
    bias = None if bias is None else scaled(bias, queries, scale)
    module.set_submodule(projection, make(weight, bias))
    if module.is_cross:
        module.set_submodule("key_value", make(*parameters_of(module.key_value)))
    module.set_submodule("out", make(*parameters_of(module.out)))


def pack_feed_forward(module: FeedForward, make: LinearFactory) -> None:
    """Replace both linear layers; ReLU becomes part of the first one."""
    inner, outer = module.inner, module.outer
    is_relu = module.activation is torch.relu
    module.set_submodule("inner", make(*parameters_of(inner), relu=is_relu))
    module.set_submodule("outer", make(*parameters_of(outer)))
    if is_relu:
        module.activation = unchanged


def scaled(tensor: Tensor, rows: int, factor: float) -> Tensor:
    """Return a copy whose first rows are multiplied by a factor."""
    copied = tensor.clone()
    copied[:rows] *= factor
    return copied


def parameters_of(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return the weight and the bias of a linear layer, without their gradients."""
    assert isinstance(layer, nn.Linear)  # noqa: S101 (for the type checker)
    return detached(layer.weight, layer.bias)


def detached(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return both without their gradients."""
    return weight.detach(), None if bias is None else bias.detach()


def unchanged(x: Tensor) -> Tensor:
    """Return x."""
    return x
