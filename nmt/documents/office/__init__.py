"""Office documents and books: zip files of XML."""
