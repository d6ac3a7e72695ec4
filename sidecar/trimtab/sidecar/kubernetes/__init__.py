"""The sidecars that bring weights to objects of Kubernetes: an HTTPRoute or a VirtualService. Needs the extra."""
