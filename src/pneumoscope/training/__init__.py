"""From a recipe and a manifest to trained weights (needs the `train` extra)."""
