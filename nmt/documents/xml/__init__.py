"""XML with places in the source, so that parts are replaced and every other byte stays."""
