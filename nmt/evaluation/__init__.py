"""From test sets and systems to an evaluation that can be cited."""
