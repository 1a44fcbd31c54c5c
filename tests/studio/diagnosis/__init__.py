"""Tests of `nmt.studio.diagnosis`."""
