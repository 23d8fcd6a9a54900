"""Places that can run replicas, behind the ports of driver.py."""
