"""Folders that are dropped onto the panel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt


class DropTarget(qt.QObject):
    """Lets a widget take folders, or files for the folder that they lie in.

    Parameters
    ----------
    widget: QWidget
    on_dropped: callable
        Receives the folder.

    """

    def __init__(self, widget: qt.QWidget, on_dropped: Callable[[Path], None]) -> None:
        qt.QObject.__init__(self)
        self._on_dropped = on_dropped
        widget.acceptDrops = True
        widget.installEventFilter(self)

    def eventFilter(self, _watched: qt.QObject, event: qt.QEvent) -> bool:
        """Accept what names one folder on this computer; called by Qt."""
        kind = event.type()
        if kind not in (qt.QEvent.DragEnter, qt.QEvent.DragMove, qt.QEvent.Drop):
            return False
        folder = _folder(event.mimeData())
        if folder is None:
            return False
        event.acceptProposedAction()
        if kind == qt.QEvent.Drop:
            # The other program waits until the drop is over.
            qt.QTimer.singleShot(0, lambda: self._on_dropped(folder))
        return True


def _folder(data: qt.QMimeData) -> Path | None:
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data.hasUrls() else []
    folders = {path if path.is_dir() else path.parent for path in paths}
    return folders.pop() if len(folders) == 1 else None
