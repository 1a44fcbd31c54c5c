"""`nmt serve`: an HTTP server that translates, and its page."""
