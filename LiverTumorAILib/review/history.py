"""Undo and redo."""

from LiverTumorAILib.review.reading import Reading

MOST_STEPS = 100
"""Readings share what did not change, so that a step costs the lesion's own voxels at most."""


class History:
    """The readings of one study, with the present one among them.

    Parameters
    ----------
    reading: Reading
        Where it begins.

    """

    def __init__(self, reading: Reading) -> None:
        self._past: list[tuple[str, Reading]] = []
        self._future: list[tuple[str, Reading]] = []
        self.present = reading

    @property
    def can_undo(self) -> str:
        """What the next undo takes back, in words; empty if there is nothing."""
        return self._past[-1][0] if self._past else ""

    @property
    def can_redo(self) -> str:
        """What the next redo brings back, in words; empty if there is nothing."""
        return self._future[-1][0] if self._future else ""

    def do(self, what: str, reading: Reading) -> None:
        """Go on to another reading; `what` says in words how it came about."""
        if reading is self.present:
            return
        self._past = [*self._past[1 - MOST_STEPS :], (what, self.present)]
        self._future.clear()
        self.present = reading

    def go_on(self, what: str, reading: Reading) -> None:
        """Go on to another reading, in one step with the last one if that bears the same words."""
        past = self._past
        self.do(what, reading)
        if past and past[-1][0] == what:
            self._past = past

    def undo(self) -> None:
        """Go back to the reading before the last step."""
        self._move(self._past, self._future)

    def redo(self) -> None:
        """Do again what was undone last."""
        self._move(self._future, self._past)

    def _move(self, source: list[tuple[str, Reading]], target: list[tuple[str, Reading]]) -> None:
        if source:
            what, reading = source.pop()
            target.append((what, self.present))
            self.present = reading
