"""Self-contained HTML pages: what `nmt explain` and `nmt report` share."""
