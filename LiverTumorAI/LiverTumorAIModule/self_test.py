"""The module's self-test for Slicer's test runner: a small synthetic study from its folder to saved results."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from LiverTumorAIModule.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from LiverTumorAI import LiverTumorAIWidget
    from LiverTumorAILib.phantom import Phantom

SEED = 40_001
"""A study that no network was trained on, with an HCC of 31 mm and a cyst of 19 mm."""

MARGIN_VOXELS = (8, 8, 4)
"""What is left around the liver: a small study is analyzed soon."""

PATIENCE_SECONDS = 900
FILES = ("findings.json", "segmentation.seg.nrrd", "lesions.csv", "report.html", "review.json")


class LiverTumorAITest(ScriptedLoadableModuleTest):
    """Does what a reader does, with the networks that ship, and compares the results with the study's truth."""

    def setUp(self) -> None:
        """Start from an empty scene; reviews of the user's own studies stay untouched."""
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("LiverTumorAI")
        self.widget: LiverTumorAIWidget = slicer.modules.LiverTumorAIWidget
        self.folder = tempfile.TemporaryDirectory(prefix="LiverTumorAITest-")
        self.sessions = self.widget.logic.sessions
        self._keepReviewsIn(Sessions(Path(self.folder.name) / "reviews"))

    def tearDown(self) -> None:
        """Leave nothing behind."""
        slicer.mrmlScene.Clear()
        self._keepReviewsIn(self.sessions)
        self.folder.cleanup()

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        try:
            self.test_WholeWorkFlow()
        finally:
            self.tearDown()

    def test_WholeWorkFlow(self) -> None:
        """Load, analyze, look, correct, measure, export and save a study whose truth is known."""
        self.assertEqual(self.widget._missing, [], "Install the packages with the module's button first")
        phantom = self._writeStudy()
        self.delayDisplay("Loading the study")
        self._checkLoading()
        self.delayDisplay("Analyzing the study; this takes a minute or two")
        self._checkAnalysis(phantom)
        self.delayDisplay("Correcting lesions")
        self._checkReview()
        self._checkEditing()
        self.delayDisplay("Saving")
        self._checkExport()
        self._checkSavedScene()
        self.delayDisplay("Test passed")

    def _keepReviewsIn(self, sessions: Sessions) -> None:
        self.widget.logic.sessions = self.widget.earlier.sessions = sessions

    def _waitFor(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            self.assertLess(time.monotonic(), end, f"Still '{self.widget.ui.statusLabel.text}'")
            slicer.app.processEvents()
            time.sleep(0.01)

    def _writeStudy(self) -> Phantom:
        import SimpleITK as sitk

        from LiverTumorAILib.lesions import LesionType
        from LiverTumorAILib.phantom import PhantomOptions, generate_phantom
        from LiverTumorAILib.study import Phase

        types = (LesionType.HCC, LesionType.CYST)
        options = PhantomOptions(spacing_mm=(5.0, 3.0, 3.0), breathing_mm=5.0, vary_coverage=False, lesions=types)
        phantom = _around_liver(generate_phantom(SEED, "ct3", options))
        study = Path(self.folder.name) / "study"
        study.mkdir()
        for phase in (Phase.ARTERIAL, Phase.PORTAL_VENOUS):
            sitk.WriteImage(sitk.Cast(phantom.images[phase], sitk.sitkInt16), study / f"{phase}.nii.gz")
        return phantom

    def _checkLoading(self) -> None:
        self.widget.openStudy(str(Path(self.folder.name) / "study"))
        self._waitFor(lambda: not self.widget.busy)
        self.assertEqual([phase.title for phase in self.widget.analysis.phases.phases], ["arterial", "portal venous"])
        self.assertEqual(self.widget.ui.phasesTable.rowCount, 2)
        self.assertTrue(self.widget.ui.runButton.enabled)

    def _checkAnalysis(self, phantom: Phantom) -> None:
        import SimpleITK as sitk

        from LiverTumorAILib.phantom.labels import Tissue

        self.widget.ui.runButton.click()
        self.assertTrue(self.widget.ui.cancelButton.enabled)
        self._waitFor(lambda: not self.widget.busy)
        shown = self.widget.findings.shown
        self.assertIsNotNone(shown, self.widget.ui.statusLabel.text)
        self.assertEqual(len(shown.findings.phases), 2)
        organs, lesions = (sitk.GetArrayViewFromImage(image) for image in (phantom.organs, phantom.lesions))
        liver = self._voxels("liver")
        self.assertGreater(_dice(liver, (organs == Tissue.LIVER) | (lesions > 0)), 0.8)
        self.assertEqual(self.widget.ui.lesionTable.rowCount, len(shown.reading.lesions))
        truth = max(phantom.lesion_truth, key=lambda lesion: lesion.volume_mm3)
        found = {lesion.uid: self._voxels(f"lesion-{lesion.label}") for lesion in shown.reading.lesions}
        uid = max(found, key=lambda uid: _dice(found[uid], lesions == truth.label))
        self.assertGreater(_dice(found[uid], lesions == truth.label), 0.5, "the largest lesion is not found")
        axis = shown.lesion(uid).measurement.long_axis.length_mm
        self.assertLess(abs(axis - truth.long_axis_mm), 0.35 * truth.long_axis_mm)
        self.widget.findings.selectLesion(uid)
        row = self.widget.ui.lesionTable.currentRow()
        self.assertTrue(self.widget.ui.lesionTable.item(row, 3).text().startswith(f"{axis:.0f} ×"))
        self.uid = uid

    def _checkReview(self) -> None:
        reading = self.widget.findings.shown.reading
        count = len(reading.lesions)
        self.widget.ui.acceptButton.click()
        self.assertEqual(self.widget.ui.reviewedLabel.text, f"1 of {count} reviewed")
        self.widget.ui.undoButton.click()
        self.assertEqual(self.widget.ui.reviewedLabel.text, f"0 of {count} reviewed")
        self.widget.findings.selectLesion(self.uid)
        self.widget.ui.targetButton.click()
        self.assertEqual(self.widget.findings.shown.reading.targets, (self.uid,))

    def _checkEditing(self) -> None:
        """A ball of 20 mm in a lesion's segment has the diameter and volume of a ball, in the table too."""
        import math

        import SimpleITK as sitk

        from LiverTumorAILib.mrml.segmentation import set_segment_mask

        shown = self.widget.findings.shown
        lesion = shown.lesion(self.uid)
        ball = sitk.GaussianSource(
            sitk.sitkFloat32,
            shown.original.lesion_labels.GetSize(),
            [10.0] * 3,
            lesion.centroid_mm,
            1.0,
            shown.original.lesion_labels.GetOrigin(),
            shown.original.lesion_labels.GetSpacing(),
        )
        set_segment_mask(shown.segmentation, f"lesion-{lesion.label}", ball > math.exp(-0.5))
        self._waitFor(lambda: shown.lesion(self.uid) is not lesion)
        measured = shown.lesion(self.uid).measurement
        self.assertLess(abs(measured.long_axis.length_mm - 20), 4)
        self.assertLess(abs(measured.volume_mm3 / (4 / 3 * math.pi * 10**3) - 1), 0.25)
        self.assertEqual(shown.reading.state(self.uid).value, "changed")

    def _checkExport(self) -> None:
        from LiverTumorAILib.lesions.findings_io import read_findings

        out = Path(self.folder.name) / "exported"
        self.widget.exportResults(str(out))
        self._waitFor(lambda: not self.widget.busy)
        for name in FILES:
            self.assertTrue((out / name).is_file(), name)
        saved = {lesion.uid: lesion for lesion in read_findings(out).lesions}
        self.assertEqual(saved[self.uid].measurement, self.widget.findings.shown.lesion(self.uid).measurement)

    def _checkSavedScene(self) -> None:
        file = str(Path(self.folder.name) / "review.mrb")
        uids = [lesion.uid for lesion in self.widget.findings.shown.reading.lesions]
        self.assertTrue(slicer.util.saveScene(file))
        slicer.mrmlScene.Clear()
        self.assertEqual(self.widget.ui.lesionTable.rowCount, 0)
        slicer.util.loadScene(file)
        self._waitFor(lambda: not self.widget.busy and self.widget.findings.shown is not None)
        self.assertEqual([lesion.uid for lesion in self.widget.findings.shown.reading.lesions], uids)
        self.assertEqual(self.widget.findings.shown.reading.targets, (self.uid,))

    def _voxels(self, segment_id: str) -> np.ndarray:
        """A segment's voxels (bool; z, y, x) on the reference phase's grid."""
        node = self.widget.findings.shown.segmentation
        volume = self.widget.findings.shown.volume(self.widget.findings.shown.findings.reference_phase)
        return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, volume) > 0


def _around_liver(phantom: Phantom) -> Phantom:
    import SimpleITK as sitk

    from LiverTumorAILib.phantom.labels import Tissue

    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(phantom.organs == int(Tissue.LIVER))
    *first, width, height, depth = shape.GetBoundingBox(1)
    low = [max(start - margin, 0) for start, margin in zip(first, MARGIN_VOXELS, strict=True)]
    sizes = zip(first, (width, height, depth), MARGIN_VOXELS, strict=True)
    part = tuple(slice(start, sum(size)) for start, size in zip(low, sizes, strict=True))
    images = {phase: image[part] for phase, image in phantom.images.items()}
    return replace(phantom, images=images, organs=phantom.organs[part], lesions=phantom.lesions[part])


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())
