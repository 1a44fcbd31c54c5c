"""Translate segments: encode them, search them, assemble their translations."""
