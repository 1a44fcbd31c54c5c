"""Subwords: the tokenizer, how it is learned, and the words that tokens belong to."""
