"""What a setting is worth: a recipe, its variants and seeds trained, set side by side."""
