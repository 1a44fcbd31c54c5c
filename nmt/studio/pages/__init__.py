"""Self-contained HTML pages: the parts that `nmt explain`, `report` and `ablate` share."""
