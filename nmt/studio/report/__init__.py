"""The HTML page of one or several runs: curves, translations, recipe, corpus and scores."""
