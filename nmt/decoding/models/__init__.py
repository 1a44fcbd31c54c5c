"""The models that a search decodes with, in NumPy and in PyTorch, and what is read off them."""
