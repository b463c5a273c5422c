"""From a training run to a bundle: export, check, calibrate, measure, describe (needs the `train` extra)."""
