"""Models: architectures (Keras), manifest, runtime (LiteRT), registry."""
