"""The weights, costs and deviations from the paper of a recipe or a model."""
