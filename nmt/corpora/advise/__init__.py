"""Advise on settings for a corpus of one's own: vocabulary, shape, batch, updates and hours."""
