"""A run, or several side by side, on a page: curves, samples, recipe, corpus, scores."""
