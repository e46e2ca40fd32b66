"""These programs go into the image and run there, with nothing but the standard library."""
