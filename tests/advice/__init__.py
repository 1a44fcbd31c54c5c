"""Tests of `nmt.advice`."""
