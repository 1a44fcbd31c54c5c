"""Evaluate models and translations: metrics, test sets, comparisons and evaluation cards."""
