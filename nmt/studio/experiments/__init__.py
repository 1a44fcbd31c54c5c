"""Train variants of a recipe from several seeds and compare their results."""
