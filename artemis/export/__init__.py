"""A run back into the clinic's own format: DICOM objects of its answers."""
