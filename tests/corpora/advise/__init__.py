"""Tests of `nmt.corpora.advise`."""
