"""The vocabulary: what users declare and what is reported back. Pure."""
