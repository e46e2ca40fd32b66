"""The acts of the product, as functions: the library's front door. The command line only parses and prints."""
