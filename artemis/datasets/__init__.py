"""Datasets before training: where labels come from, copies, groups, and what is wrong."""
