"""An image as a whole: made of layers, addressed, and wherever it lies: in a registry, a layout, an archive."""
