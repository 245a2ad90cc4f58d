"""One registration by one method, in a process of its own: the peers need what this project does not.

    python registration_methods.py METHOD FOLDER [--binaries DIR]

Reads `fixed.nii.gz` and `moving.nii.gz` of the folder (LPS, mm), writes the displacement field (LPS, mm, on the fixed
grid) as `field.nrrd` and the seconds as `seconds.json`. Reading, writing and the import of the method's packages are
not timed.
"""

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


class Clock:
    """Wall-clock and processor seconds of what runs inside `running`."""

    wall = processor = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time a block, its child processes included."""
        wall, processor = time.monotonic(), self._processor()
        yield
        self.wall = time.monotonic() - wall
        self.processor = self._processor() - processor

    @staticmethod
    def _processor() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def this_project(folder: Path, clock: Clock) -> None:
    """This project's registration."""
    import SimpleITK as sitk

    from LiverTumorAILib.registration import register

    fixed, moving = _read(folder)
    # The first call reads the compiled kernels from disk.
    register(*(sitk.BinShrink(image, [3, 3, 1]) for image in (fixed, moving)))
    with clock.running():
        field = register(fixed, moving).field
    sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), folder / "field.nrrd")


def demons(folder: Path, clock: Clock) -> None:
    """SimpleITK's symmetric demons after histogram matching, on two resolutions."""
    import SimpleITK as sitk

    fixed, moving = _read(folder, on_one_grid=True)
    with clock.running():
        matched = sitk.HistogramMatching(moving, fixed)
        coarse = [sitk.BinShrink(image, [2, 2, 2]) for image in (fixed, matched)]
        method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        method.SetStandardDeviations(2.0)
        method.SetNumberOfIterations(40)
        field = method.Execute(*coarse)
        method.SetNumberOfIterations(10)
        start = sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)
        field = method.Execute(fixed, matched, start)
    sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), folder / "field.nrrd")


def spline(folder: Path, clock: Clock) -> None:
    """SimpleITK's B-spline with Mattes mutual information, control points every 30 mm."""
    import SimpleITK as sitk

    fixed, moving = _read(folder)
    extent = [size * spacing for size, spacing in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)]
    mesh = [max(round(length / 30), 3) for length in extent]
    with clock.running():
        transform = sitk.BSplineTransformInitializer(fixed, mesh)
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(0.05, 1)
        method.SetShrinkFactorsPerLevel([4, 2])
        method.SetSmoothingSigmasPerLevel([2, 1])
        method.SetOptimizerAsLBFGSB(numberOfIterations=30)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(fixed, moving)
        to_field = sitk.TransformToDisplacementFieldFilter()
        to_field.SetReferenceImage(fixed)
        field = to_field.Execute(transform)
    sitk.WriteImage(sitk.Cast(field, sitk.sitkVectorFloat32), folder / "field.nrrd")


def ants_syn(folder: Path, clock: Clock) -> None:
    """ANTsPy's SyN with its defaults: affine, then 40 x 20 x 0 iterations, mutual information."""
    import ants

    fixed, moving = (ants.image_read(str(folder / f"{name}.nii.gz")) for name in ("fixed", "moving"))
    with clock.running():
        result = ants.registration(fixed, moving, type_of_transform="SyN")
    # One field for the affine and the deformable part together.
    written = ants.apply_transforms(
        fixed, moving, result["fwdtransforms"], compose=str(folder / "composed_"), defaultvalue=-1000
    )
    Path(written).rename(folder / "field.nii.gz")


def elastix(folder: Path, clock: Clock) -> None:
    """itk-elastix with its default translation and B-spline parameter maps."""
    import itk

    fixed, moving = (itk.imread(str(folder / f"{name}.nii.gz"), itk.F) for name in ("fixed", "moving"))
    parameters = itk.ParameterObject.New()
    for name in ("translation", "bspline"):
        parameters.AddParameterMap(parameters.GetDefaultParameterMap(name))
    with clock.running():
        _, transform = itk.elastix_registration_method(fixed, moving, parameter_object=parameters, log_to_console=False)
    itk.imwrite(itk.transformix_deformation_field(moving, transform), str(folder / "field.nrrd"))


def convex_adam(folder: Path, clock: Clock) -> None:
    """convexAdam with MIND-SSC and its defaults."""
    import SimpleITK as sitk
    from convexAdam.convex_adam_MIND import convex_adam_pt

    fixed, moving = _read(folder, on_one_grid=True)
    arrays = [sitk.GetArrayFromImage(image) for image in (fixed, moving)]
    with clock.running():
        voxels = convex_adam_pt(*arrays)
    _write_voxels(voxels, fixed, folder)


def deeds(folder: Path, clock: Clock, binaries: Path, search: str = "8x7x6x5x4") -> None:
    """The authors' deedsBCV; its field is read from the control points that it writes."""
    import SimpleITK as sitk

    fixed, moving = _read(folder, on_one_grid=True)
    sitk.WriteImage(moving, folder / "moving_on_fixed.nii.gz")
    names = [str(folder / name) for name in ("fixed.nii.gz", "moving_on_fixed.nii.gz", "deeds")]
    command = [str(binaries / "deedsBCV"), "-F", names[0], "-M", names[1], "-O", names[2], "-L", search]
    with clock.running():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    control = np.fromfile(folder / "deeds_displacements.dat", np.float32).reshape(3, -1)
    _write_voxels(_upsampled_as_deeds_does(control, fixed.GetSize()[::-1]), fixed, folder)


def _upsampled_as_deeds_does(control: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Displacements in voxels (z, y, x, 3), linear between control points, from its components along y, x and z."""
    from scipy.ndimage import map_coordinates

    step = round((np.prod(shape) / control.shape[1]) ** (1 / 3))
    points = [size // step for size in shape]
    positions = np.meshgrid(
        *(np.arange(n, dtype=np.float32) * (m / n) for n, m in zip(shape, points, strict=True)), indexing="ij"
    )
    parts = control.reshape(3, *points)[[2, 0, 1]]
    return np.stack([map_coordinates(part, positions, order=1, mode="nearest") for part in parts], axis=-1)


def deeds_fast(folder: Path, clock: Clock, binaries: Path) -> None:
    """deedsBCV with the smaller search that its authors name for half the time."""
    deeds(folder, clock, binaries, "6x5x4x3x2")


def _read(folder: Path, on_one_grid: bool = False) -> tuple:
    """Fixed and moving image, on demand both on the fixed grid."""
    import SimpleITK as sitk

    fixed, moving = (sitk.ReadImage(folder / f"{name}.nii.gz", sitk.sitkFloat32) for name in ("fixed", "moving"))
    if on_one_grid:
        moving = sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkLinear, -1000.0)
    return fixed, moving


def _write_voxels(voxels: np.ndarray, fixed: object, folder: Path) -> None:
    """Displacements in voxels, components (z, y, x), as a field in mm; the grid's axes are LPS."""
    import SimpleITK as sitk

    field = sitk.GetImageFromArray((voxels[..., ::-1] * fixed.GetSpacing()).astype(np.float32), isVector=True)
    field.CopyInformation(fixed)
    sitk.WriteImage(field, folder / "field.nrrd")


METHODS = {
    "this project": this_project,
    "deedsBCV default": deeds,
    "deedsBCV fast": deeds_fast,
    "convexAdam": convex_adam,
    "ANTs SyN": ants_syn,
    "elastix B-spline": elastix,
    "SimpleITK demons": demons,
    "SimpleITK B-spline": spline,
}


def main() -> None:
    """Run one method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--binaries", type=Path, help="folder of deedsBCV")
    arguments = parser.parse_args()
    clock = Clock()
    more = (arguments.binaries,) if arguments.method.startswith("deeds") else ()
    METHODS[arguments.method](arguments.folder, clock, *more)
    figures = {"seconds": clock.wall, "processor_seconds": clock.processor}
    (arguments.folder / "seconds.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
