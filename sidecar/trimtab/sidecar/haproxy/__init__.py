"""HAProxy: what it is told of conditions. A sidecar of its own it has not got yet."""
