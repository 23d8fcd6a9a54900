"""Who may call whom and where requests go: policy and the graph a proxy is fed. Pure."""
