"""Sealing: secret values are ciphertext before the store sees them."""
