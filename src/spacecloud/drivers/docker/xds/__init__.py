"""The xDS server: Envoy's configuration, its acknowledgements, and its log of refused calls."""
