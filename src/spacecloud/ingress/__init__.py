"""How the outside reaches services: route order and conflicts. Pure."""
