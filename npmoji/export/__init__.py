"""Models to other files."""
