"""Many processes that train one model."""
