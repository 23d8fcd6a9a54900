"""What is wrong with a document: found, located, and said in plain words."""
