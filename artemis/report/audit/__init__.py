"""The page of an audit of a dataset."""
