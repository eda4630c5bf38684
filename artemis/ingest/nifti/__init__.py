"""NIfTI volumes, from the file to grey pictures."""
