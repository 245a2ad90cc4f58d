"""The contrast phases of a liver study."""

from enum import StrEnum


class Phase(StrEnum):
    """A contrast phase; its value is the file name that a study folder uses."""

    NON_CONTRAST = "non_contrast"
    ARTERIAL = "arterial"
    PORTAL_VENOUS = "portal_venous"
    DELAYED = "delayed"
    HEPATOBILIARY = "hepatobiliary"

    @property
    def title(self) -> str:
        """Name as radiologists write it, for example 'portal venous'."""
        return self.value.replace("_", "-" if self is Phase.NON_CONTRAST else " ")


REFERENCE_ORDER = (
    Phase.PORTAL_VENOUS,
    Phase.DELAYED,
    Phase.ARTERIAL,
    Phase.HEPATOBILIARY,
    Phase.NON_CONTRAST,
)
"""Which phase serves as reference phase: portal venous, else the one nearest to it."""
