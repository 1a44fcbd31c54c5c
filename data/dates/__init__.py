"""The corpus of the recipe `dates`; `python -m data.dates` writes it."""
