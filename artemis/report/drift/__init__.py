"""The page about a batch's drift."""
