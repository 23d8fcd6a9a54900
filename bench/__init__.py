"""How fast the platform is on this machine, and against whom: ``make bench``."""
