"""Packages are laid over an image that others made: `ground`, what of its files is known; `installed`, what dpkg says
there of itself; `unpack`, by dpkg's rules and the image's own; `source`, the layer."""
