"""Ranges that several settings share; there is room beyond any model or training known today."""

LAYERS = (1, 1000)
WIDTH = (1, 16_384)
RATE = (0, 0.99)
UPDATES = (1, 100_000_000)
BATCH = (1, 100_000_000)  # tokens
