"""Programs that go into the image and run there: the standard library only."""
