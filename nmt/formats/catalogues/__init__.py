"""Messages of programs: catalogues, their plural forms, accelerators and codes."""
