"""The Transformer (section 3); it knows neither text nor files."""
