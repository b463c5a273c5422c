"""A film of a data set as the build handles it: what the data set says and what looking at it told."""

from dataclasses import dataclass

from pneumoscope.data.scan import Seen
from pneumoscope.data.sources.contract import Claim, Source

__all__ = ["PoolFilm"]


@dataclass(frozen=True, slots=True)
class PoolFilm:
    """One readable film.

    Attributes:
        source: the data set it came with.
        claim: what that data set says of it.
        seen: what looking at the file told.
    """

    source: Source
    claim: Claim
    seen: Seen

    @property
    def path(self) -> str:
        """POSIX path relative to the root."""
        return self.seen.path

    @property
    def official_test(self) -> bool:
        """It stands in a test split that others report on: kept whole, whatever copies there are."""
        return self.claim.official == "test"

    @property
    def for_test_only(self) -> bool:
        """Neither it nor another film of the same people may be trained on."""
        return self.official_test or self.source.held_out

    @property
    def area(self) -> int:
        """Pixels."""
        return (self.seen.width or 0) * (self.seen.height or 0)
