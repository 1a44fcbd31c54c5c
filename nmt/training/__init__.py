"""Training: setup, loop, updates, schedule, checkpoints and validation (section 5)."""
