"""What must be settled before Qt and VTK start: platform, window class, fonts."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

PACKAGES = "libegl1 libgl1 libgl1-mesa-dri libfontconfig1 libdbus-1-3 libxkbcommon0 libglib2.0-0"


def has_display() -> bool:
    """Whether a real window can be opened on this machine."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _loads(*names: str) -> bool:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def prepare(headless: bool) -> None:
    """Choose Qt's platform and VTK's offscreen window before either of them starts.

    Raises
    ------
    RuntimeError
        If neither EGL nor OSMesa is on this machine (Linux), naming the packages that bring them.
    """
    if headless:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.fonts.warning=false")
    if not sys.platform.startswith("linux") or "VTK_DEFAULT_OPENGL_WINDOW" in os.environ:
        return
    if _loads("libEGL.so.1"):
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    elif _loads("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"):
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkOSOpenGLRenderWindow"
    else:
        raise RuntimeError(
            "Slice and 3D views cannot be drawn: neither libEGL.so.1 nor libOSMesa is installed. "
            f"On Debian or Ubuntu: apt-get install {PACKAGES}"
        )


def font_files() -> list[Path]:
    """Fonts that come with matplotlib, for machines that have none."""
    try:
        import matplotlib
    except ImportError:
        return []
    return sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"))
