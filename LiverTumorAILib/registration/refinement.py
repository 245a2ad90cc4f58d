"""Instance optimisation: the field, refined continuously on the descriptors of the two images.

The squared difference of the descriptors is minimised by Gauss-Newton steps; what is penalised is the part of
the field that a Gaussian takes away, so that large smooth motion costs nothing.
Source of the idea: Siebert et al., "Fast 3D registration with accurate optimisation and little learning for
Learn2Reg 2021" (ConvexAdam), there with Adam.
"""

import numpy as np
from numba import njit, prange
from scipy.ndimage import gaussian_filter

from LiverTumorAILib.progress import Progress
from LiverTumorAILib.registration.descriptors import CHANNELS, FULL, MISSING, describe_softly

_STIFFNESS = (0.3, 0.3, 0.2, 0.2)
"""Weight of the squared differences (voxels2) between neighbouring nodes, for each step."""
_SWEEPS = 6
_SMOOTH_NODES = 2.0
_LONGEST_STEP = 2.0


@njit(cache=True, inline="always")
def _bilinear(wy: float, wx: float, corner: int) -> float:
    return (wy if corner >> 1 else 1 - wy) * (wx if corner & 1 else 1 - wx)


@njit(parallel=True, cache=True, fastmath=True)
def _normal_equations(
    fixed: np.ndarray, moving: np.ndarray, active: np.ndarray, field: np.ndarray, ratio: int
) -> np.ndarray:
    """Gradient (3 values) and upper Hessian (6 values) of the data term at the nodes of `field`.

    Evaluated in the planes of nodes at every voxel, in voxels of the images.
    """
    depth, height, width = fixed.shape[:3]
    nodes_z, nodes_y, nodes_x = field.shape[:3]
    out = np.zeros((nodes_z, nodes_y, nodes_x, 9), np.float32)
    weight = np.float32(1 / (CHANNELS * FULL * FULL))
    for iz in prange(nodes_z):
        z = iz * ratio
        if z >= depth:
            continue
        terms = np.empty(9, np.float32)
        for y in range(height):
            iy = y // ratio
            wy = np.float32(y % ratio / ratio)
            for x in range(width):
                if fixed[z, y, x, 0] == MISSING or not active[z, y, x]:
                    continue
                ix = x // ratio
                wx = np.float32(x % ratio / ratio)
                move_z = np.float32(0)
                move_y = np.float32(0)
                move_x = np.float32(0)
                for corner in range(4):
                    share = _bilinear(wy, wx, corner)
                    if share > 0:
                        node = field[iz, iy + (corner >> 1), ix + (corner & 1)]
                        move_z += share * node[0]
                        move_y += share * node[1]
                        move_x += share * node[2]
                pz = z + ratio * move_z
                py = y + ratio * move_y
                px = x + ratio * move_x
                if pz < 0 or py < 0 or px < 0 or pz >= depth - 1 or py >= height - 1 or px >= width - 1:
                    continue
                cz, cy, cx = int(pz), int(py), int(px)
                fz, fy, fx = np.float32(pz - cz), np.float32(py - cy), np.float32(px - cx)
                missing = False
                for corner in range(8):
                    missing |= moving[cz + (corner >> 2), cy + (corner >> 1 & 1), cx + (corner & 1), 0] == MISSING
                if missing:
                    continue
                terms[:] = 0
                target = fixed[z, y, x]
                m000, m001 = moving[cz, cy, cx], moving[cz, cy, cx + 1]
                m010, m011 = moving[cz, cy + 1, cx], moving[cz, cy + 1, cx + 1]
                m100, m101 = moving[cz + 1, cy, cx], moving[cz + 1, cy, cx + 1]
                m110, m111 = moving[cz + 1, cy + 1, cx], moving[cz + 1, cy + 1, cx + 1]
                for k in range(CHANNELS):
                    v000, v010 = np.float32(m000[k]), np.float32(m010[k])
                    v100, v110 = np.float32(m100[k]), np.float32(m110[k])
                    d00, d01 = np.float32(m001[k]) - v000, np.float32(m011[k]) - v010
                    d10, d11 = np.float32(m101[k]) - v100, np.float32(m111[k]) - v110
                    p00, p01, p10, p11 = v000 + fx * d00, v010 + fx * d01, v100 + fx * d10, v110 + fx * d11
                    q0, q1 = p00 + fy * (p01 - p00), p10 + fy * (p11 - p10)
                    gz = q1 - q0
                    gy = (1 - fz) * (p01 - p00) + fz * (p11 - p10)
                    gx = (1 - fz) * ((1 - fy) * d00 + fy * d01) + fz * ((1 - fy) * d10 + fy * d11)
                    rest = q0 + fz * gz - np.float32(target[k])
                    terms[0] += rest * gz
                    terms[1] += rest * gy
                    terms[2] += rest * gx
                    terms[3] += gz * gz
                    terms[4] += gz * gy
                    terms[5] += gz * gx
                    terms[6] += gy * gy
                    terms[7] += gy * gx
                    terms[8] += gx * gx
                for corner in range(4):
                    share = weight * _bilinear(wy, wx, corner)
                    if share > 0:
                        node = out[iz, iy + (corner >> 1), ix + (corner & 1)]
                        for term in range(9):
                            node[term] += share * terms[term]
    return out


@njit(parallel=True, cache=True, fastmath=True)
def _relax(equations: np.ndarray, rough: np.ndarray, step: np.ndarray, stiffness: float, colour: int) -> None:
    """Half a Gauss-Seidel sweep (red-black) on `step`, in place; `rough` is the part that is penalised."""
    nodes_z, nodes_y, nodes_x = rough.shape[:3]
    for plane in prange(nodes_z):
        z = np.int64(plane)
        sums = np.empty(3, np.float32)
        for y in range(nodes_y):
            for x in range((z + y + colour) % 2, nodes_x, 2):
                count = np.float32(0)
                sums[:] = 0
                for side in range(6):
                    move = 1 - 2 * (side & 1)
                    oz = z + (move if side >> 1 == 0 else 0)
                    oy = y + (move if side >> 1 == 1 else 0)
                    ox = x + (move if side >> 1 == 2 else 0)
                    if 0 <= oz < nodes_z and 0 <= oy < nodes_y and 0 <= ox < nodes_x:
                        count += 1
                        for axis in range(3):
                            sums[axis] += rough[oz, oy, ox, axis] + step[oz, oy, ox, axis]
                pull = stiffness * count
                e = equations[z, y, x]
                h00, h01, h02, h11, h12, h22 = e[3] + pull, e[4], e[5], e[6] + pull, e[7], e[8] + pull
                b0 = stiffness * sums[0] - pull * rough[z, y, x, 0] - e[0]
                b1 = stiffness * sums[1] - pull * rough[z, y, x, 1] - e[1]
                b2 = stiffness * sums[2] - pull * rough[z, y, x, 2] - e[2]
                c00, c01, c02 = h11 * h22 - h12 * h12, h02 * h12 - h01 * h22, h01 * h12 - h02 * h11
                c11, c12, c22 = h00 * h22 - h02 * h02, h01 * h02 - h00 * h12, h00 * h11 - h01 * h01
                scale = 1 / (h00 * c00 + h01 * c01 + h02 * c02)
                step[z, y, x, 0] = scale * (c00 * b0 + c01 * b1 + c02 * b2)
                step[z, y, x, 1] = scale * (c01 * b0 + c11 * b1 + c12 * b2)
                step[z, y, x, 2] = scale * (c02 * b0 + c12 * b1 + c22 * b2)


def is_loaded() -> bool:
    """Whether this process has the kernels, compiled or read from disk."""
    return bool(_relax.signatures)


def refine(
    fixed: np.ndarray, moving: np.ndarray, *, active: np.ndarray, field: np.ndarray, ratio: int, progress: Progress
) -> np.ndarray:
    """The field from fixed to moving, refined.

    Parameters
    ----------
    fixed, moving: numpy.ndarray
        Images, float32 (z, y, x) on the same isotropic grid, NaN where unknown.
    active: numpy.ndarray
        bool (z, y, x), the voxels of `fixed` that take part.
    field: numpy.ndarray
        float32 (z, y, x, 3), in voxels of its own grid, which are `ratio` times those of the images and
        cover them.
    ratio: int
    progress: Progress

    """
    described = [describe_softly(image, 1) for image in (fixed, moving)]
    progress.update(0.3)
    for index, stiffness in enumerate(_STIFFNESS):
        equations = _normal_equations(*described, active, field, ratio)
        smooth = gaussian_filter(field, (_SMOOTH_NODES,) * 3 + (0,), mode="nearest", truncate=2.5)
        rough = (field - smooth) * np.float32(ratio)
        step = np.zeros_like(field)
        for sweep in range(2 * _SWEEPS):
            _relax(equations, rough, step, np.float32(stiffness), sweep % 2)
        field = field + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP) / np.float32(ratio)
        progress.update(0.3 + 0.7 * (index + 1) / len(_STIFFNESS))
    return field
