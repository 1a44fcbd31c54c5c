"""Make more training text with models: `nmt augment`."""
