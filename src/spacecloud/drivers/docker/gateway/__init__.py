"""The gateway as a driver's Traffic: told by xDS, believed when it has acknowledged."""
