"""Tests of `nmt.cleaning`."""
