"""Self-contained HTML pages: the parts that `nmt explain`, `report`, `ablate` and `scale` share."""
