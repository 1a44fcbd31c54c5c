"""Other programs: import and export of models, and other engines that translate."""
