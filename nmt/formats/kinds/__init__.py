"""One file for each format: `read` makes a document of the content of a file."""
