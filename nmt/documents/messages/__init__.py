"""Messages of programs, and other bilingual files."""
