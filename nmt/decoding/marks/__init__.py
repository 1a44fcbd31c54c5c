"""Marks such as tags: cut them out of segments, and place them in translations."""
