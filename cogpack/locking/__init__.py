"""From a project to its lock: what is asked of `resolve/`, how, and what is said of the answers."""
