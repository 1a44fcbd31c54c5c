"""Tests of `nmt.check`."""
