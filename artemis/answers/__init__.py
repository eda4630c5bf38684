"""What is made of the models' answers: pictures of evidence, doubt, and one answer of a study."""
