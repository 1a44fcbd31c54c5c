"""Texts among the values of data files: JSON, YAML, properties and tables."""
