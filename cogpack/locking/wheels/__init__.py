"""Decides which wheels an image has (`requirements`), and which of them meet (`clashes`), by looking into them
(`outlines`); finds locked ones (`addresses`), and tells others of them (`exported`)."""
