"""Corpora: check them, clean and split them, augment them, and advise on settings for them."""
