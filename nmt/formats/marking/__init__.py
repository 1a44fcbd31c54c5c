"""Marks in sentences: found, placed in translations, and verified."""
