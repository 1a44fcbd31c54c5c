"""Recipes: settings as TOML, by their names, their rules, and how they differ from the paper's."""
