"""Read Markdown: a parser that knows places, segments of its blocks, and a writer that checks."""
