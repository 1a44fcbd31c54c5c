"""Data files with texts among their values: JSON, YAML, properties, tables."""
