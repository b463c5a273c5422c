"""A file becomes a `Radiograph`, and a `Radiograph` the network's input."""
