"""What maintainer scripts would do is read (`scripts`) and stood in for (`effects`, and a module for what takes
more)."""
