"""qMRMLSegmentEditorWidget, thin: segments and brush effects on trame-slicer's segmentation editor."""

from __future__ import annotations

from .form_loader import register
from .mrml_widgets import qMRMLWidget


@register
class qMRMLSegmentEditorWidget(qMRMLWidget):  # noqa: N801
    pass
