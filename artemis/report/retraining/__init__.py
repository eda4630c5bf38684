"""The page of a retraining."""
