"""What the module told or asked the user: recorded, and answered without a person where there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import slicer


@dataclass(frozen=True)
class Message:
    """``kind`` is info, warning, error, confirm, status, file or colour (Qt's dialogs) or url (a page opened)."""

    kind: str
    text: str


@dataclass
class Messages:
    """Stands behind ``slicer.util.infoDisplay`` and its siblings, and behind Qt's file dialogs.

    Without a person, questions get ``answer``, file dialogs ``path`` and colour dialogs ``colour`` (empty: the user
    cancels).
    """

    headless: bool = True
    answer: bool = True
    path: str = ""
    colour: str = ""
    shown: list[Message] = field(default_factory=list)

    def texts(self, kind: str) -> list[str]:
        return [message.text for message in self.shown if message.kind == kind]

    def reset(self, headless: bool) -> None:
        self.headless, self.answer, self.path, self.colour = headless, True, "", ""
        self.shown.clear()

    def record(self, kind: str, text: str) -> None:
        self.shown.append(Message(kind, str(text)))
        logging.getLogger("SlicerHost").info("%s: %s", kind, text)

    def _telling(self, kind: str, real):
        def display(text, windowTitle=None, parent=None, standardButtons=None, **kwargs):
            self.record(kind, text)
            if not self.headless:
                real(text, windowTitle, parent, standardButtons, **kwargs)

        return display

    def _asking(self, real):
        def display(text, windowTitle=None, parent=None, **kwargs):
            self.record("confirm", text)
            return self.answer if self.headless else real(text, windowTitle, parent, **kwargs)

        return display

    def install(self) -> None:
        util = slicer.util
        for kind in ("info", "warning", "error"):
            name = kind + "Display"
            setattr(util, name, self._telling(kind, getattr(util, name)))
        for name in ("confirmOkCancelDisplay", "confirmYesNoDisplay", "confirmRetryCloseDisplay"):
            setattr(util, name, self._asking(getattr(util, name)))
        real_status = util.showStatusMessage
        real_box = util.messageBox

        def show_status(message, duration=0):
            self.record("status", message)
            return real_status(message, duration)

        def message_box(text, parent=None, **kwargs):
            self.record("info", text)
            return None if self.headless else real_box(text, parent, **kwargs)

        util.showStatusMessage = show_status
        util.messageBox = message_box
        util.delayDisplay = lambda message, *_args, **_kwargs: self.record("info", message)
