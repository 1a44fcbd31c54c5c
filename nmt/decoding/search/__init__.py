"""Beam search, sampling, minimum Bayes risk and constraints over any model."""
