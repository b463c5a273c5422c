"""An audit as `pneumoscope data audit` writes it, of checks of given colours."""

from collections.abc import Sequence

from pneumoscope.data.audit import Audit
from pneumoscope.data.audit.association import Association
from pneumoscope.data.audit.separation import Separation
from pneumoscope.data.audit.verdict import Check, Colour, worst


def made_audit(manifest_sha256: str, colours: Sequence[Colour]) -> Audit:
    """An audit whose check number n has the nth colour."""
    checks = tuple(
        Check(
            name=f"check-{number}",
            title=f"Check {number}",
            question="Does it tell?",
            amber_from=0.6,
            red_from=0.7,
            measure="share",
            colour=colour,
            words=f"Yes, check {number} tells.",
            figure=0.5,
        )
        for number, colour in enumerate(colours)
    )
    return Audit(
        manifest_sha256=manifest_sha256,
        seed=0,
        films=1,
        unreadable=(),
        colour=worst(colours),
        words="In words.",
        checks=checks,
        association=Association(labels=(), table={}, bits=0, null_bits=0, label_bits=1, share=0),
        separation=Separation(patients=0, files=0, near_duplicates=0, examples=(), held_out=0.2, random=()),
        method=(),
    )
