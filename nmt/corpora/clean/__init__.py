"""Make better corpora of given ones: `nmt split` and `nmt clean`."""
