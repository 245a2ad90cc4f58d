"""The sections of study and analysis: load, correct phases, run, cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from LiverTumorAIModule import acquisitions, results, wording
from LiverTumorAIModule.activity import CANCELLED
from LiverTumorAIModule.background import BackgroundTask
from LiverTumorAIModule.lesion_details import LesionDetails
from LiverTumorAIModule.phases_table import PhasesTable

if TYPE_CHECKING:
    from types import SimpleNamespace

    import SimpleITK as sitk

    from LiverTumorAILib.lesions import Findings
    from LiverTumorAILib.worker.events import (
        CancelledByUser,
        Event,
        Failed,
        Finished,
        FoundVolume,
        PhasesFound,
        ProgressReported,
    )
    from LiverTumorAILib.worker.job import Job
    from LiverTumorAIModule.activity import Activity
    from LiverTumorAIModule.earlier_results import EarlierResults
    from LiverTumorAIModule.findings_panel import FindingsPanel
    from LiverTumorAIModule.results import Results
    from LiverTumorAIModule.sessions import Session

CHOOSE_STUDY = _("Choose a folder that holds one liver study.")
STUDY_TITLE = _("1. Study")
RESULTS_ONLY = _("As these results were made. Load the study to analyze it anew.")


class AnalysisPanel:
    """Binds the worker's jobs to the widgets of sections 1 and 2.

    Parameters
    ----------
    ui: SimpleNamespace
        The form's widgets by name.
    activity: Activity
    earlier: EarlierResults
    on_study_shown: callable
        Called after another study was loaded, before its volumes enter the scene.
    on_results: callable
        Receives a function that shows results, part by part, in the findings panel that it is given.

    """

    def __init__(
        self,
        ui: SimpleNamespace,
        activity: Activity,
        earlier: EarlierResults,
        on_study_shown: Callable[[], None],
        on_results: Callable[[Callable[[FindingsPanel], Iterator[None]]], Iterator[None]],
    ) -> None:
        self.ui = ui
        self._activity, self._earlier = activity, earlier
        self._on_study_shown, self._on_results = on_study_shown, on_results
        self._job: Job | None = None
        self._libraries: BackgroundTask | None = None
        self._found: PhasesFound | None = None
        self._names: Mapping[str, str] = {}
        self.phases = PhasesTable(ui.phasesTable, self._showVolume, activity.on_changed)

    def load(self, job: Job, names: Mapping[str, str] | None = None) -> None:
        """Find the phases of a study; names stand in for file names."""
        self.clear()
        self._names = names or {}
        self._start(job)

    def analyze(self, job: Job) -> None:
        """Analyze the study with the phases as they stand in the table."""
        self._start(job)

    def clear(self) -> None:
        """Forget the study, without touching the scene."""
        self._found = None
        self.phases.show(())
        self.ui.studySection.text = STUDY_TITLE
        self.ui.phaseHintLabel.text = CHOOSE_STUDY

    def showResults(self, folder: Path) -> None:
        """Read a results folder, with what was reviewed of it, and hand it on."""

        def read() -> tuple[Results, Session]:
            session = self._earlier.sessions.of_results(folder)
            return results.read_results(folder, session.folder), session

        def show(found: tuple[Results, Session]) -> Iterator[None]:
            yield from self._on_results(lambda panel: panel.show(*found))
            self._showRegistrations(found[0].findings, found[1].study)

        self._activity.run(read, show)

    def showScene(self) -> None:
        """Hand on the review that the scene holds, if it holds one."""
        from LiverTumorAILib.mrml.saved_source import read_source
        from LiverTumorAILib.mrml.showing import restore_findings
        from LiverTumorAILib.mrml.transforms import read_fields

        shown = restore_findings(slicer.mrmlScene)
        if shown is None:
            return
        fields, source = read_fields(slicer.mrmlScene), read_source(slicer.mrmlScene)

        def prepare() -> Results:
            results.load_libraries()
            images = {phase: shown.image(phase) for phase in shown.phases}
            details = LesionDetails(shown.findings, images)
            return results.Results(None, shown.findings, images, shown.reading, details, fields, dicom_source=source)

        def show(read: Results) -> Iterator[None]:
            yield from self._on_results(lambda panel: panel.showAgain(shown, read))
            self._showRegistrations(read.findings, "")

        self._activity.run(prepare, show)

    def _showRegistrations(self, findings: Findings, study: str) -> None:
        """Show what became of each volume of the study (a path; empty if not known) that findings were made of."""
        records = [replace(record, source=self._names.get(record.source, record.source)) for record in findings.phases]
        findings = replace(findings, phases=tuple(records))
        loaded = self._job.study if self._job and self._found else None
        shown = [volume.source for volume in self.phases.volumes]
        if study == loaded and [record.source for record in records] == shown:
            self.phases.showRegistrations(findings)
        else:
            self.clear()
            self.phases.showRecords(findings)
            self.ui.phaseHintLabel.text = RESULTS_ONLY
        self.ui.studySection.text = ": ".join(filter(None, (STUDY_TITLE, wording.registrations(findings))))
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable what can be done now."""
        busy = self._activity.is_busy
        self.ui.loadButton.enabled = self.ui.sceneButton.enabled = self.ui.dicomButton.enabled = not busy
        self.ui.runButton.enabled = not busy and bool(self.phases.phases)
        self.ui.cancelButton.enabled = self._activity.is_cancellable
        self.ui.phasesTable.enabled = not busy

    def _start(self, job: Job) -> None:
        self._job = job
        self._activity.start(job, self._receive)
        # Loaded while the worker works, they do not keep its results waiting.
        self._libraries = BackgroundTask(results.load_libraries, lambda _nothing: None, lambda _error: None)

    def _receive(self, event: Event) -> None:
        getattr(self, f"_on{type(event).__name__}")(event)

    def _onProgressReported(self, event: ProgressReported) -> None:
        self.ui.progressBar.value = round(100 * event.fraction)
        self._activity.say(wording.progress_line(event))

    def _onPhasesFound(self, event: PhasesFound) -> None:
        # During an analysis the table stands already, with what the user set.
        if self._job.command == "load":
            named = (replace(volume, source=self._names.get(volume.source, volume.source)) for volume in event.volumes)
            self._found = event = replace(event, volumes=tuple(named))
            self.phases.show(event.volumes)
            self.ui.phaseHintLabel.text = " ".join(event.warnings)

    def _onFinished(self, event: Finished) -> None:
        folder = Path(event.results)
        if self._job.command == "load":
            found = self._found
            self._activity.say(_("Showing the study…"))
            study = self._job.study
            self._activity.run(
                lambda: (results.read_volumes(folder, found), self._earlier.sessions.of_study(study)),
                lambda read: self._showVolumes(*read),
            )
        else:
            finished = _("Finished after {time}. Reading the results…")
            self._activity.say(finished.format(time=wording.duration(event.seconds)))
            self.showResults(folder)

    def _onFailed(self, event: Failed) -> None:
        self._activity.complain(event.text)

    def _onCancelledByUser(self, _event: CancelledByUser) -> None:
        self._activity.say(CANCELLED)

    def _showVolumes(self, images: list[sitk.Image], earlier: Session | None) -> Iterator[None]:
        self._earlier.offer(earlier)
        self._on_study_shown()
        yield from acquisitions.showing_acquisitions(self._found, images)
        acquisitions.show_acquisition(self._found.volumes[0].index)
        slicer.util.resetSliceViews()
        unsure = sum(not volume.sure for volume in self._found.volumes)
        self._activity.say(wording.loaded(len(images), unsure))

    def _showVolume(self, volume: FoundVolume) -> None:
        self.ui.phaseHintLabel.text = wording.volume_hint(volume)
        acquisitions.show_acquisition(volume.index)
