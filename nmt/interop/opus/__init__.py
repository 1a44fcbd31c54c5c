"""OPUS-MT models: their files, and how they are found and downloaded."""
