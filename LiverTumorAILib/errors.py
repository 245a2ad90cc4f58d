"""The one exception whose text is meant for the user."""


class LiverTumorAIError(Exception):
    """A problem that the user can act on.

    Parameters
    ----------
    what: str
        What is wrong, as a sentence without its full stop.
    where: str, optional
        File, folder, series or phase concerned. Never a patient's name, ID or date.
    advice: str, optional
        What the user can do about it, as a sentence without its full stop.

    """

    def __init__(self, what: str, where: object = "", advice: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.advice = advice
        super().__init__(what, self.where, advice)

    def __str__(self) -> str:
        """One line: what (where). What to do."""
        place = f" ({self.where})" if self.where else ""
        advice = f" {self.advice}." if self.advice else ""
        return " ".join(f"{self.what}{place}.{advice}".split())
