"""What all services stand on: rules, gateway, resolver."""
