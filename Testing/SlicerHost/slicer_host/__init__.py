"""SlicerHost: Slicer's scripted modules on PySide6 and slicer-core, without Slicer."""

from .host import Host

__all__ = ["Host"]
