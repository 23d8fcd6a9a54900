"""Which names the mesh answers for, as resolver files. Pure."""
