"""Read HTML: a scanner of tags, what the elements are, and the segments of a page."""
