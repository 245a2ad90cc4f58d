"""Offering what was reviewed before: a review that a crash ended, or earlier results of the same study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from types import SimpleNamespace

    from LiverTumorAIModule.sessions import Session, Sessions


class EarlierResults:
    """Binds sessions to the button that shows one again.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    sessions: Sessions
    show: callable
        Receives the results folder that the user asks for.

    """

    def __init__(self, ui: SimpleNamespace, sessions: Sessions, show: Callable[[Path], None]) -> None:
        self.ui, self.sessions, self._show = ui, sessions, show
        self._offered: Session | None = None
        ui.earlierButton.clicked.connect(self._shown)
        self.hide()

    def offerInterrupted(self) -> None:
        """Offer the review that ended without a word, if there is one."""
        self._offer(self.sessions.interrupted(), _("Go on with the review that ended unexpectedly ({review})"))

    def offer(self, session: Session | None) -> None:
        """Offer the results of a session; None offers nothing."""
        self._offer(session, _("Show earlier results of this study ({review})"))

    def hide(self) -> None:
        """Offer nothing any more."""
        self._offered = None
        self.ui.earlierButton.visible = False

    def _offer(self, session: Session | None, text: str) -> None:
        self._offered = session
        self.ui.earlierButton.visible = session is not None
        if session is not None:
            self.ui.earlierButton.text = text.format(review=session.words)

    def _shown(self) -> None:
        session = self._offered
        if session is not None:
            self.hide()
            self._show(Path(session.results))
