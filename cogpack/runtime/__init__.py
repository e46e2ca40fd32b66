"""coglet serves the model of an image that holds what is said here: `contract`, `schema/`, `imports/` and `inside/`."""
