"""Inline SVG, drawn in Python."""
