"""Prefect flows: which step, in what order, in parallel with what. No image or model code."""
