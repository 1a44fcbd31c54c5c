"""Write translations as their language does: quotation marks, spaces, capitals, final marks."""
