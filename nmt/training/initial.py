"""The pairs and the network that a training starts with."""

from pathlib import Path

import torch

from nmt.decoding.segments import output_limit
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import load_weights
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.changing.changer import PairChanger
from nmt.text.tokenizer import PAD
from nmt.training.setup import Setup


def training_pairs(setup: Setup) -> PairDataset:
    """Return the training pairs of a setup, changed on the fly if its recipe asks for it."""
    settings, prepared = setup.recipe.train, setup.prepared
    dropouts = bpe_dropouts(prepared.tokenizer, settings.bpe_dropout, settings.seed)
    return PairDataset(
        prepared.shards,
        prepared.names,
        dropouts,
        right_to_left=setup.recipe.model.is_right_to_left,
        alignments=prepared.alignments,
        changer=PairChanger(prepared.tokenizer, setup.recipe) if settings.augments else None,
        is_guided=bool(settings.guided_alignment),
    )


def initial_network(setup: Setup, dataset: PairDataset) -> Transformer:
    """Return the network with the setup's initial model, or with random weights by the seed."""
    recipe = setup.recipe
    torch.manual_seed(recipe.train.seed)
    network = Transformer(recipe.model, len(setup.prepared.tokenizer), PAD)
    if setup.initial is not None:
        load_weights(network, setup.initial.weights, Path(recipe.train.init_from))
    # The table of positions gets its final size now: growing it later would compile again.
    longest = max(dataset.source_lengths.max(), dataset.target_lengths.max())
    translated = output_limit(recipe.decode.max_segment_tokens, recipe.decode)
    network.grow_positions(max(int(longest), translated))
    return network
