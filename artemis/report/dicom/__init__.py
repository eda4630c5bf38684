"""A run's answers in the clinic's own format: DICOM objects."""
