"""Tests of `nmt.corpora.augment`."""
