"""Models: architectures (Keras), manifest, networks as they are run, registry, cards."""
