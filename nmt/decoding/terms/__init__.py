"""Glossaries: find their terms, and place them in translations."""
