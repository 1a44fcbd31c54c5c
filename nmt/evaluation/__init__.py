"""Evaluate models and translations: metrics, test sets, comparisons, cards; rerank n-best lists."""
