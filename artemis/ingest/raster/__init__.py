"""PNG, JPEG, BMP and TIFF, from the file to grey pictures."""
