"""CTK's widgets that modules use, on PySide6.

Each class offers a subset of the class of the same name in CTK, nothing else in public.
"""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QGroupBox,
    QMessageBox,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

from .form_loader import register


class _Collapsing:
    """Hides children that were visible, and shows just these again."""

    def _apply_collapsed(self) -> None:
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if self._collapsed and not child.isHidden():
                child.setProperty("slicerHostShown", True)
                child.hide()
            elif not self._collapsed and child.property("slicerHostShown"):
                child.setProperty("slicerHostShown", None)
                child.show()


@register
class ctkCollapsibleButton(_Collapsing, QAbstractButton):  # noqa: N801
    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent if isinstance(parent, QWidget) else None)
        self._collapsed = False
        if isinstance(parent, str):
            self.setText(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(1, self._header_height() + 1, 1, 1)
        self.toggled.connect(self._on_toggled)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 12

    def _on_toggled(self, checked: bool) -> None:
        self._collapsed = not checked
        self._apply_collapsed()
        self.setMinimumHeight(self._header_height() + 2)
        self.setMaximumHeight(self._header_height() + 2 if self._collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(self._collapsed)

    def childEvent(self, event: QEvent) -> None:
        super().childEvent(event)
        if event.type() == QEvent.Type.ChildPolished and self._collapsed:
            self._apply_collapsed()

    def hitButton(self, point) -> bool:
        return point.y() < self._header_height()

    def paintEvent(self, _event) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect.setHeight(self._header_height())
        option.state |= QStyle.StateFlag.State_Raised
        style = self.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, option, painter, self)
        arrow = QStyleOptionButton()
        arrow.initFrom(self)
        arrow.rect = option.rect.adjusted(8, 0, 0, 0)
        arrow.rect.setWidth(12)
        down = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        right = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        style.drawPrimitive(right if self._collapsed else down, arrow, painter, self)
        text = option.rect.adjusted(28, 0, -4, 0)
        alignment = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextShowMnemonic
        role = self.palette().ColorRole.ButtonText
        style.drawItemText(painter, text, int(alignment), self.palette(), self.isEnabled(), self.text(), role)

    def sizeHint(self) -> QSize:
        header = QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._header_height() + 2)
        if self._collapsed or self.layout() is None:
            return header
        return self.layout().totalSizeHint().expandedTo(header)

    def minimumSizeHint(self) -> QSize:
        header = QSize(60, self._header_height() + 2)
        if self._collapsed or self.layout() is None:
            return header
        return self.layout().totalMinimumSize().expandedTo(header)

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed, notify=contentsCollapsed)


@register
class ctkCollapsibleGroupBox(_Collapsing, QGroupBox):  # noqa: N801
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._collapsed = False
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, checked: bool) -> None:
        self._collapsed = not checked
        self._apply_collapsed()
        self.setMaximumHeight(self.fontMetrics().height() + 12 if self._collapsed else 16777215)

    def childEvent(self, event: QEvent) -> None:
        super().childEvent(event)
        if event.type() == QEvent.Type.ChildPolished and self._collapsed:
            self._apply_collapsed()

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed)


@register
class ctkComboBox(QComboBox):  # noqa: N801
    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._default_text, self._scroll = "", self.AlwaysScroll

    def _set_default_text(self, text: str) -> None:
        self._default_text = text
        self.setPlaceholderText(text)

    def wheelEvent(self, event) -> None:
        if self._scroll == self.NeverScroll:
            event.ignore()
        else:
            super().wheelEvent(event)

    defaultText = Property(str, lambda self: self._default_text, _set_default_text)
    scrollWheelEffect = Property(
        int, lambda self: self._scroll, lambda self, value: setattr(self, "_scroll", int(value))
    )


@register
class ctkCheckBox(QCheckBox):  # noqa: N801
    pass


@register
class ctkPushButton(QPushButton):  # noqa: N801
    pass


@register
class ctkMenuButton(QPushButton):  # noqa: N801
    pass


class ctkMessageBox(QMessageBox):  # noqa: N801
    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._key, self._again = "", QCheckBox("Don't show this message again")

    def _set_key(self, key: str) -> None:
        self._key = key
        self.setCheckBox(self._again)

    dontShowAgain = Property(
        bool, lambda self: self._again.isChecked(), lambda self, value: self._again.setChecked(value)
    )
    dontShowAgainSettingsKey = Property(str, lambda self: self._key, _set_key)
