"""Say in plain words what goes wrong in a training, and what to change."""
