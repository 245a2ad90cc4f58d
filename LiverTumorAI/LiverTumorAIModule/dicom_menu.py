"""Choosing a study in Slicer's DICOM database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _


class DicomMenu:
    """Lists patients and their studies under a button.

    Parameters
    ----------
    button: QPushButton
    on_chosen: callable
        Receives the study's files.

    """

    def __init__(self, button: qt.QPushButton, on_chosen: Callable[[list[Path]], None]) -> None:
        self._on_chosen = on_chosen
        # A menu without parent lives as long as this object.
        self._menu = qt.QMenu()
        self._menu.aboutToShow.connect(self._list)
        button.setMenu(self._menu)

    def _list(self) -> None:
        self._menu.clear()
        database = slicer.app.dicomDatabase()
        patients = database.patients() if database is not None and database.isOpen else ()
        for patient in patients:
            studies = self._menu.addMenu(_plain(database.nameForPatient(patient)) or _("Patient without name"))
            for study in database.studiesForPatient(patient):
                words = (database.fieldForStudy("StudyDate", study), database.descriptionForStudy(study))
                action = studies.addAction(_plain("  ".join(filter(None, words))) or _("Study without description"))
                action.triggered.connect(lambda *_args, study=study: self._on_chosen(_files(study)))
        if not patients:
            self._menu.addAction(_("The DICOM database is empty: import a study in the DICOM module")).enabled = False


def _plain(text: str) -> str:
    """Text that a menu shows as it is."""
    return text.replace("&", "&&")


def _files(study: str) -> list[Path]:
    database = slicer.app.dicomDatabase()
    return [Path(file) for series in database.seriesForStudy(study) for file in database.filesForSeries(series)]


def study_folder(files: list[Path], new: Path) -> Path:
    """The folder that holds these files and no others; if there is none, a new one with links to them.

    Raises
    ------
    LiverTumorAIError
        If there is no file, or one is gone.

    """
    from LiverTumorAILib.errors import LiverTumorAIError

    if not files or not all(file.is_file() for file in files):
        raise LiverTumorAIError(
            _("Files of this study are gone"),
            _("DICOM database"),
            _("Import the study again in the DICOM module"),
        )
    wanted, common = set(files), Path(os.path.commonpath([file.parent for file in files]))
    if all(path in wanted for path in common.rglob("*") if path.is_file()):
        return common
    new.mkdir(parents=True)
    for number, file in enumerate(files):
        try:
            os.link(file, new / f"{number}.dcm")
        except OSError:
            # Links do not reach other disks.
            shutil.copy2(file, new / f"{number}.dcm")
    return new
