"""XML with positions in the source, so that parts are replaced and every other byte stays."""
