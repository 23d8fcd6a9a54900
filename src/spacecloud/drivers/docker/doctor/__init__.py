"""What can be wrong with a machine, and what there is of an instance on it."""
