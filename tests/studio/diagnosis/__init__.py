"""Tests of `nmt.diagnosis`."""
