"""From a lock to layers, what is known of them, and their way to a sink."""
