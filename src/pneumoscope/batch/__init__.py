"""Many films: which ones, in which order, on which engine, to where."""
