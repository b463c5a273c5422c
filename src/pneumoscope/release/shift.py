"""What a card says of where its thresholds come from, and how far they carry."""

__all__ = ["OTHER_THRESHOLDS", "TRAINED_THRESHOLDS"]

_SHIFT = (
    "On films of other hospitals, machines or ages, sensitivity and specificity shift; between the training "
    "and the official test films of the Kermany set they are known to do so. Measure on your own films "
    "before relying on a threshold."
)
TRAINED_THRESHOLDS = f"Thresholds were chosen on validation films of the training sources. {_SHIFT}"
"""What a card says of thresholds that came with the training."""

OTHER_THRESHOLDS = f"Thresholds were chosen on films that the card names. {_SHIFT}"
"""What it says of those that were fixed anew, on whatever films."""
