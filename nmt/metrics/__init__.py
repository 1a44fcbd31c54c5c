"""Scores of a system's outputs against references, each with a signature."""
