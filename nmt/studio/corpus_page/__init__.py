"""The HTML page of `nmt check`."""
