"""What a recipe or a model is made of, what it costs, and where it departs from the paper."""
