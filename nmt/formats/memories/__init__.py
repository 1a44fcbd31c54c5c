"""Translation memories: read, searched, used and written."""
