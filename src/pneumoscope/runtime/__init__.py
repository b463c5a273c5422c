"""Scoring with a bundle: onnxruntime, no torch."""
