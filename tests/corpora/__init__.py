"""Tests of `nmt.corpora`."""
