"""Tests of `nmt.augmentation`."""
