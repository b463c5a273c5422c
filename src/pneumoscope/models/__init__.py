"""The networks, by name (needs the `train` extra)."""
