"""The client side of the distribution-spec, and a small registry of our own (`server`)."""
