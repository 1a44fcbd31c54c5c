"""Explain how one model translates one sentence, on a page that shows every step."""
