"""Replicas as networks and containers of the engine."""
