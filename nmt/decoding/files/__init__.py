"""Translate, score and check files line by line."""
