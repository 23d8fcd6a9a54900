"""Images made on the spot from files of this machine: no registry is needed to start."""
