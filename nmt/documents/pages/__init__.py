"""Pages: HTML and Markdown, also with the code of templates."""
