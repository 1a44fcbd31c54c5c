"""Tests of `nmt.corpora.clean`."""
