"""Figures of predictions whose truth is known. Knows no network, and no TensorFlow."""
