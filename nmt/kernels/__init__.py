"""Fast forms of the model's operations, each next to its plain reference."""
