"""DICOM objects, from the file to grey pictures."""
