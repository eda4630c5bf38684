"""Ingest: files on disk -> rows of ``slices`` and 8-bit grey pixels.

`plan` finds the slices of a folder and cuts them into chunks; `read` reads a chunk.
Everything else here is one step of either.
"""
