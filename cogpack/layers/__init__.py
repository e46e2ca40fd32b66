"""Layers: recipes for deterministic tar bytes, and the facts about them once known."""
