"""Qt's ready-made dialogs: recorded, and answered without a person where there is none."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets

from .messages import Messages


def make_dialogs(messages: Messages) -> dict[str, type]:
    """Classes that take the place of those in ``qt``."""

    class QFileDialog(QtWidgets.QFileDialog):
        @staticmethod
        def _ask(caption: str, real, arguments: tuple, several: bool = False):
            messages.record("file", caption)
            if not messages.headless:
                answer = real(*arguments)
                # PythonQt gives the name without the chosen filter.
                return answer[0] if isinstance(answer, tuple) else answer
            return [messages.path] if several and messages.path else [] if several else messages.path

        @staticmethod
        def getExistingDirectory(parent=None, caption="", *rest):
            real = QtWidgets.QFileDialog.getExistingDirectory
            return QFileDialog._ask(caption, real, (parent, caption, *rest))

        @staticmethod
        def getOpenFileName(parent=None, caption="", *rest):
            return QFileDialog._ask(caption, QtWidgets.QFileDialog.getOpenFileName, (parent, caption, *rest))

        @staticmethod
        def getSaveFileName(parent=None, caption="", *rest):
            return QFileDialog._ask(caption, QtWidgets.QFileDialog.getSaveFileName, (parent, caption, *rest))

        @staticmethod
        def getOpenFileNames(parent=None, caption="", *rest):
            real = QtWidgets.QFileDialog.getOpenFileNames
            return QFileDialog._ask(caption, real, (parent, caption, *rest), several=True)

    class QColorDialog(QtWidgets.QColorDialog):
        @staticmethod
        def getColor(initial=None, parent=None, title=""):
            messages.record("colour", title)
            if not messages.headless:
                return QtWidgets.QColorDialog.getColor(initial or QtGui.QColor("white"), parent, title)
            return QtGui.QColor(messages.colour) if messages.colour else QtGui.QColor()

    class QDesktopServices(QtGui.QDesktopServices):
        @staticmethod
        def openUrl(url) -> bool:
            messages.record("url", url.toString())
            return True if messages.headless else QtGui.QDesktopServices.openUrl(url)

    return {"QFileDialog": QFileDialog, "QColorDialog": QColorDialog, "QDesktopServices": QDesktopServices}
