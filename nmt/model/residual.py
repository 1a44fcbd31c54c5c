"""The residual connection around each sub-layer and its normalisation (sections 3.1 and 5.4)."""

from collections.abc import Callable

from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout


class AddAndNorm(nn.Module):
    """LayerNorm(x + Dropout(Sublayer(x))), the "Add & Norm" of figure 1.

    With pre-norm (Xiong et al., 2020) it is x + Dropout(Sublayer(LayerNorm(x))).
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.norm = make_norm(settings)
        self.dropout = Dropout(settings.dropout)
        self.is_pre_norm = settings.norm == "pre"

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply `sublayer`, which keeps the shape, to x (B, length, d_model)."""
        total: Tensor = x + self.dropout(sublayer(self.norm(x) if self.is_pre_norm else x))
        return total if self.is_pre_norm else self.norm(total)


def make_norm(settings: ModelSettings) -> nn.LayerNorm | nn.RMSNorm:
    """Return a normalisation over d_model of the configured kind."""
    if settings.norm_kind == "rms":
        return nn.RMSNorm(settings.d_model, eps=settings.norm_epsilon)
    return nn.LayerNorm(settings.d_model, eps=settings.norm_epsilon)


def make_final_norm(settings: ModelSettings) -> nn.Module:
    """Return what ends a stack: a norm with pre-norm, the identity with the paper's post-norm."""
    return make_norm(settings) if settings.norm == "pre" else nn.Identity()
