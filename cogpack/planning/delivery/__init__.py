"""Brings layers to where an image goes (`transfer`), to one repository after the other (`delivery`, `targets`)."""
