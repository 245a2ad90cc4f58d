"""Keys that work wherever the mouse is, as long as the module is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt
import slicer


class Keys:
    """Keyboard shortcuts of the main window.

    Parameters
    ----------
    actions: Mapping of str to callable
        By key, such as 'C' or 'F2'.

    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._shortcuts = {}
        for key, action in actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), slicer.util.mainWindow())
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(action)
            self._shortcuts[key] = shortcut

    def enable(self, enabled: bool, keys: tuple[str, ...] = ()) -> None:
        """Let all keys, or some of them, work or not."""
        for key in keys or self._shortcuts:
            self._shortcuts[key].setEnabled(enabled)

    def remove(self) -> None:
        """Give the keys back for good."""
        for shortcut in self._shortcuts.values():
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = {}
