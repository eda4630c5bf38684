"""Training: pictures and labels to a calibrated, measured, exported model."""
