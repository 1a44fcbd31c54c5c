"""Rerank n-best lists by other models, with weights that are tuned on a dev set."""
