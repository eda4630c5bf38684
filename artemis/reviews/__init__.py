"""What reviewers said of slices: their CSV, and the labels of a workspace."""
