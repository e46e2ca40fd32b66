"""What an image must hold so that coglet serves the model in it."""
