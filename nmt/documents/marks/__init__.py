"""Marks in texts, such as tags and placeholders: found, verified, and hidden from readers."""
