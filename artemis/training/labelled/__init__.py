"""Labelled pictures from any source, with patient groups and folds: the training set."""
