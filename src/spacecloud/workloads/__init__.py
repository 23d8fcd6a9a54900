"""From declared services to replicas: what should run, and the steps that get us there. Pure."""
