"""Office documents: zip files of XML, and the runs of text in them."""
