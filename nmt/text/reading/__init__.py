"""Find and read parallel text: files, lines, languages, downloads."""
