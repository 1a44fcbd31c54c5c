"""The files of a training: checkpoints, their average, metrics, and what to do if one is lost."""
