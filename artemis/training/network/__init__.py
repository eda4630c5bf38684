"""One network: recipe, pictures changed at random, fit, export. TensorFlow loads here."""
