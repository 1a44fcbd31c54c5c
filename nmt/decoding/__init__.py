"""Beam search and translation (section 6.1)."""
