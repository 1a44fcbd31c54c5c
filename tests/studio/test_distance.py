"""What distance does to models, on networks and labels whose answer is known."""

import pytest
import torch
from torch import Tensor

from nmt.config import ModelSettings
from nmt.evaluation.results import LabelCount
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.studio.experiments import distance
from nmt.text.subwords.tokenizer import EOS, PAD


class Halving(EncoderDecoder):
    """Adds up all inputs so far, each position half as strong as the next one."""

    def encode(self, source: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.embeddings.embed_source(source, kept), None

    def decode(
        self,
        target_input: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None,
        *,
        kept: Tensor | None = None,
    ) -> Tensor:
        x = self.embeddings.embed_target(target_input)
        back = torch.arange(x.shape[1])[:, None] - torch.arange(x.shape[1])
        falls = (0.5**back).tril()
        return falls @ x + falls @ memory  # sides of equal length


def test_gradients_of_a_known_network_fall_as_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """With embeddings of zeros and equal labels, the gradient at each output is the same."""
    network = Halving(ModelSettings(d_model=4, tied="none", positions="none"), 9, PAD)
    network.embeddings.reset_parameters()
    with torch.no_grad():
        network.embeddings.weight.zero_()
        network.embeddings.source_weight.zero_()
    monkeypatch.setattr(distance, "REACH_TOKENS", 50)  # the blank pair begins a batch
    pairs = [([EOS] * length, [EOS] * length) for length in [0] + [5] * distance.FEWEST]
    for curve in distance.reach(network, pairs).values():
        assert dict(curve) == pytest.approx({k: 0.5**k for k in range(6)}, rel=1e-4)


def test_labels_that_end_in_numbers_are_distances() -> None:
    counts = [
        LabelCount("all", 3, 4),
        LabelCount("agreement", 3, 4),
        LabelCount("agreement-00", 2, 2),
        LabelCount("agreement-07", 1, 2),
        LabelCount("verb-form-07", 0, 1),
    ]
    expected = {"agreement": [(0.0, 100.0), (7.0, 50.0)], "verb-form": [(7.0, 0.0)]}
    assert distance.by_distance(counts) == expected


def test_a_section_has_means_and_ranges_over_seeds() -> None:
    title = "t: agreement, % right by words between"
    runs = [{title: [(0.0, 90.0), (1.0, 70.0)]}, {title: [(0.0, 100.0), (1.0, 60.0)]}]
    section = distance.section({"<b>": runs})
    (series,) = section["charts"][0]["series"]
    assert section["charts"][0]["over"] == "words between"
    assert series["value"] == [95, 65]
    assert (series["lowest"], series["highest"]) == ([90, 60], [100, 70])
    assert section["tables"][0] == {"heads": [title, "0", "1"], "rows": [["<b>", "95", "65"]]}


def test_many_distances_are_binned() -> None:
    assert distance.binned({float(k): float(k) for k in range(12)}) == {
        "0 to 4": "2",
        "5 to 9": "7",
        "10 to 11": "10.5",
    }
