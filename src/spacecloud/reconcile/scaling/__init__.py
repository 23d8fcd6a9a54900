"""How many replicas of each version run, and when they sleep and wake."""
