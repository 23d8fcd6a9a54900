"""One Docker host: engine, Envoy, resolver, firewall."""
