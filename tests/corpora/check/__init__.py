"""Tests of `nmt.corpora.check`."""
