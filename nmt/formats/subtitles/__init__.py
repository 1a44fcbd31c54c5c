"""Sentences over several subtitles, and lines that fit the screen."""
