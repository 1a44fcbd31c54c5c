"""Change training pairs on the fly (`train.augment_*`): case, typos, placeholders and tags."""
