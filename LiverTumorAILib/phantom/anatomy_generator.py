"""Random but plausible anatomy of an upper abdomen."""

import numpy as np

from LiverTumorAILib.phantom.anatomy import Anatomy, Grid
from LiverTumorAILib.phantom.body import Habitus, Trunk, TrunkFields, paint_trunk
from LiverTumorAILib.phantom.bowel import (
    paint_colon,
    paint_duodenum,
    paint_mesentery,
    paint_oesophagus,
    paint_small_bowel,
    paint_stomach,
)
from LiverTumorAILib.phantom.given_organs import GivenOrgans
from LiverTumorAILib.phantom.labels import Tissue
from LiverTumorAILib.phantom.liver_shape import LiverShape, LiverTraits, keep_largest, paint_liver
from LiverTumorAILib.phantom.organs import (
    paint_adrenals,
    paint_ascites,
    paint_crura,
    paint_gallbladder,
    paint_kidney,
    paint_pancreas,
    paint_spleen,
)
from LiverTumorAILib.phantom.skeleton import paint_ribs, paint_spine
from LiverTumorAILib.phantom.space import Canvas, Frame, Space, fork
from LiverTumorAILib.phantom.vessels import (
    Landmarks,
    paint_great_vessels,
    paint_liver_vessels,
    paint_portal_trunk,
)

CIRRHOSIS_SHARE = 0.25
IN_LIVER = (Tissue.FISSURE, Tissue.HEPATIC_VEINS, Tissue.PORTAL_SPLENIC_VEIN, Tissue.HEPATIC_ARTERY, Tissue.BILE_DUCTS)


def default_grid(spacing_mm: float | tuple[float, float, float], rng: np.random.Generator) -> Grid:
    """Grid that holds the trunk from above the liver's dome to the lower poles of the kidneys.

    Parameters
    ----------
    spacing_mm: float or tuple of three floats
        (z, y, x).
    rng: numpy.random.Generator

    Returns
    -------
    Grid
        225-250 mm tall, 250-290 mm deep and 350-410 mm wide.

    """
    spacing = (spacing_mm,) * 3 if np.isscalar(spacing_mm) else tuple(spacing_mm)
    wide = rng.uniform(350, 410)
    field = (rng.uniform(225, 250), 0.71 * wide, wide)
    shape = tuple(int(np.ceil(mm / step)) for mm, step in zip(field, spacing, strict=True))
    return Grid(shape, tuple(float(s) for s in spacing))


def draw_cirrhosis(rng: np.random.Generator) -> float:
    """Degree of cirrhosis of a random patient: 0 in three of four, else 0.2-1."""
    return float(rng.uniform(0.2, 1)) if rng.random() < CIRRHOSIS_SHARE else 0.0


def draw_frame(rng: np.random.Generator, grid: Grid) -> Frame:
    """Draw size and position of a patient in a grid."""
    overall = rng.normal(1, 0.05)
    scale = tuple(float(np.clip(overall * rng.normal(1, 0.025), 0.87, 1.14)) for _ in range(3))
    depth = grid.shape[1] * grid.spacing_mm[1]
    tall = grid.shape[0] * grid.spacing_mm[0]
    top = rng.uniform(12, 30) if tall > 200 else rng.uniform(5, 15)
    shift = (float(rng.normal(0, 3)), float(np.clip(rng.normal(-8, 4), -0.05 * depth, 0)), -float(top))
    return Frame(scale, shift, float(rng.normal(0, 2.5)), float(rng.uniform(1.5, 2.8)))


def generate_anatomy(rng: np.random.Generator, grid: Grid, cirrhosis: float | None = None) -> Anatomy:
    """Generate the anatomy of a random patient.

    Parameters
    ----------
    rng: numpy.random.Generator
        The same state and grid give the same anatomy.
    grid: Grid
        The liver's dome lies 5-30 mm under its top, the patient in the middle of x and y; what does not fit is cut.
    cirrhosis: float, optional
        0 none to 1 severe; drawn when left out.

    Returns
    -------
    Anatomy

    """
    if cirrhosis is None:
        cirrhosis = draw_cirrhosis(rng)
    return build_anatomy(rng, grid, draw_frame(rng, grid), float(cirrhosis))


def build_anatomy(
    rng: np.random.Generator, grid: Grid, frame: Frame, cirrhosis: float, given: GivenOrgans | None = None
) -> Anatomy:
    """Generate the anatomy of a patient of given size and position around organs that are known.

    Parameters
    ----------
    rng: numpy.random.Generator
    grid: Grid
    frame: Frame
        Size and position.
    cirrhosis: float
        0 to 1.
    given: GivenOrgans, optional
        Organs that are painted as they are; only others are generated.

    Returns
    -------
    Anatomy

    """
    space = Space(grid, frame, fork(rng))
    _, ny, nx = grid.shape
    room = (nx * grid.spacing_mm[2] / 2 / frame.scale[0], ny * grid.spacing_mm[1] / 2 / frame.scale[1])
    habitus = given.habitus if given else Habitus.drawn(rng, room)
    trunk = Trunk(habitus, fork(rng))
    if given:
        given.fit_trunk(trunk, space)
    canvas = Canvas(space)
    fields = paint_trunk(canvas, trunk, fork(rng))
    present = given.present if given else set()
    if Tissue.BONES not in present:
        paint_spine(canvas, fork(rng), given.spine_bow(space) if given else None)
        paint_ribs(canvas, trunk, fields, fork(rng))
    if given:
        given.paint(canvas, fork(rng))
        given.lower_right_lung(canvas, fields)
    marks = Landmarks(fork(rng))
    if given:
        given.fit_landmarks(marks, space)
    description = {
        "cirrhosis": cirrhosis, "visceral_fat": habitus.visceral, "subcutaneous_fat_mm": habitus.fat_side_mm,
        "scale_x": frame.scale[0], "scale_y": frame.scale[1], "scale_z": frame.scale[2],
        "rotation_deg": frame.rotation_deg,
    }  # fmt: skip
    paint_great_vessels(canvas, marks, fork(rng), frozenset(present))
    paint_crura(canvas)
    if Tissue.PORTAL_SPLENIC_VEIN not in present:
        paint_portal_trunk(canvas, marks)
    description |= _paint_upper_organs(
        canvas, trunk, fields, marks=marks, cirrhosis=cirrhosis, present=present, rng=rng
    )
    _paint_bowel(canvas, habitus, present, rng)
    description["ascites"] = 0.0
    if cirrhosis > 0.35 and rng.random() < 0.5:
        description["ascites"] = float(cirrhosis * rng.uniform(0.2, 1))
        paint_ascites(canvas, fields, description["ascites"], fork(rng))
    paint_mesentery(canvas, marks, fork(rng))
    return Anatomy(canvas.labels, grid, cirrhosis, description)


def _paint_upper_organs(
    canvas: Canvas,
    trunk: Trunk,
    fields: TrunkFields,
    *,
    marks: Landmarks,
    cirrhosis: float,
    present: set[Tissue],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Paint those solid organs that are not present yet, and the liver's vessels; return what was drawn."""
    visceral = trunk.habitus.visceral
    keep_away = np.zeros(canvas.labels.shape, bool)
    for side, kidney in ((-1, Tissue.RIGHT_KIDNEY), (1, Tissue.LEFT_KIDNEY)):
        if kidney not in present:
            box, distance = paint_kidney(canvas, side, fork(rng))
            keep_away[box] |= distance < 2 + 5 * visceral
    if Tissue.ADRENALS not in present:
        paint_adrenals(canvas, fork(rng))
    if Tissue.OESOPHAGUS not in present:
        paint_oesophagus(canvas)
    drawn = {"gallbladder": float(Tissue.GALLBLADDER in present)}
    if Tissue.LIVER not in present:
        traits = LiverTraits.drawn(rng, cirrhosis, float(np.prod(canvas.space.frame.scale)))
        shape = LiverShape(traits, trunk)
        gallbladder = paint_gallbladder(canvas, shape.drop_mm, fork(rng))
        if gallbladder is not None:
            keep_away[gallbladder[0]] |= gallbladder[1] < 0
        paint_liver(canvas, shape, fields, keep_away, fork(rng))
        drawn |= {
            "gallbladder": float(gallbladder is not None), "riedel_mm": traits.riedel_mm, "caudate": traits.caudate,
        }  # fmt: skip
    paint_liver_vessels(canvas, marks, fork(rng))
    keep_largest(canvas, Tissue.LIVER, IN_LIVER)
    if Tissue.SPLEEN not in present:
        drawn["spleen_size"] = float(np.clip(rng.normal(1, 0.1) + cirrhosis * rng.uniform(0.1, 0.5), 0.75, 1.6))
        paint_spleen(canvas, fields, drawn["spleen_size"], marks, fork(rng))
    if Tissue.PANCREAS not in present:
        paint_pancreas(canvas, marks, visceral, fork(rng))
    return drawn


def _paint_bowel(canvas: Canvas, habitus: Habitus, present: set[Tissue], rng: np.random.Generator) -> None:
    if Tissue.STOMACH not in present:
        paint_stomach(canvas, habitus.front_mm, fork(rng))
    if Tissue.DUODENUM not in present:
        paint_duodenum(canvas, fork(rng))
    if Tissue.COLON not in present:
        paint_colon(canvas, habitus.front_mm, habitus.half_width_mm, fork(rng))
    if Tissue.SMALL_BOWEL not in present:
        paint_small_bowel(canvas, habitus.front_mm, fork(rng))
