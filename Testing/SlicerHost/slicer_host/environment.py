"""What must be settled before Qt and VTK start: system libraries, platform, window class, fonts."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_QT_NEEDS = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
}
_WINDOW_NEEDS = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
_DRIVER_PACKAGES = "libegl-mesa0 libgl1-mesa-dri"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _missing(needs: dict[str, str]) -> str:
    return " ".join(package for library, package in needs.items() if not _loads(library))


def _egl_devices() -> int:
    """How many devices EGL can draw on; a software renderer counts."""
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address:
        return 0
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int(0)
    query(0, None, ctypes.byref(count))
    return count.value


def window_problem() -> str:
    """Why no window can be opened on this machine; empty if one can."""
    if not sys.platform.startswith("linux"):
        return ""
    if os.environ.get("WAYLAND_DISPLAY"):
        return ""
    if not os.environ.get("DISPLAY"):
        return "there is no display"
    missing = _missing(_WINDOW_NEEDS)
    return f"system packages are missing (Debian, Ubuntu: apt-get install {missing})" if missing else ""


def prepare(headless: bool) -> None:
    """Choose Qt's platform and VTK's offscreen window before either of them starts.

    Raises
    ------
    RuntimeError
        If system libraries are missing (Linux), naming the packages that bring them.
    """
    if headless:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not sys.platform.startswith("linux"):
        return
    missing = _missing(_QT_NEEDS)
    if missing:
        raise RuntimeError(f"Qt cannot start, system libraries are missing. Debian, Ubuntu: apt-get install {missing}")
    if "VTK_DEFAULT_OPENGL_WINDOW" in os.environ:
        return
    if _egl_devices() > 0:
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    elif any(map(_loads, ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"))):
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkOSOpenGLRenderWindow"
    else:
        raise RuntimeError(
            "Slice and 3D views cannot be drawn: EGL finds no device and OSMesa is not installed. "
            f"Debian, Ubuntu: apt-get install {_DRIVER_PACKAGES}"
        )


def font_files() -> list[Path]:
    """Fonts that come with matplotlib, for machines that have none."""
    try:
        import matplotlib
    except ImportError:
        return []
    return sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"))
