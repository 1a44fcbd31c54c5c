"""Look at parallel text before training: find what would spoil a model, and say how to fix it."""
