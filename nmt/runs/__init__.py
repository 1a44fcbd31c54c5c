"""The files that a training writes: model files and run folders."""
