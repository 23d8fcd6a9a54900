"""The graph in Envoy's words (xDS v3). One function per Envoy resource. Pure."""
