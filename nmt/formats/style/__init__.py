"""What a translation looks like: quotation marks, spaces, capitals and final marks."""
