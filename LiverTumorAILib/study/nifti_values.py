"""Looking at a NIfTI file's values as they lie in the file."""

import gzip
import struct
from pathlib import Path

import numpy as np

_FLOATS = {16: "f4", 64: "f8"}
_CHUNK_BYTES = 1 << 24
_HEADER_BYTES = 348


def count_not_numbers(path: Path) -> int:
    """Number of voxels of a NIfTI-1 file that are NaN or infinite.

    niftilib, which SimpleITK reads with, turns them into 0 without a word. Other formats, and whole numbers, give 0.
    """
    opener = gzip.open if path.name.lower().endswith(".gz") else Path.open
    with opener(path, "rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[344:347] != b"n+1":
            return 0
        order = "<" if struct.unpack("<i", header[:4])[0] == _HEADER_BYTES else ">"
        (kind,) = struct.unpack(order + "h", header[70:72])
        if kind not in _FLOATS:
            return 0
        (offset,) = struct.unpack(order + "f", header[108:112])
        file.seek(int(offset))
        count = 0
        while chunk := file.read(_CHUNK_BYTES):
            whole = len(chunk) // int(_FLOATS[kind][1]) * int(_FLOATS[kind][1])
            count += int((~np.isfinite(np.frombuffer(chunk[:whole], order + _FLOATS[kind]))).sum())
    return count
