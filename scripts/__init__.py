"""Scripts that measure and that make pages; run from the project folder."""
