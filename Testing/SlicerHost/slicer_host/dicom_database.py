"""slicer.app.dicomDatabase(): which studies were imported, read with pydicom."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Property, QObject, Signal


class ctkDICOMDatabase(QObject):  # noqa: N801
    databaseChanged = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._files: dict[str, object] = {}

    isOpen = Property(bool, lambda self: True)

    def insert(self, filePath: str, storeFile: bool = True, generateThumbnail: bool = True) -> None:
        """Take up a file where it lies."""
        import pydicom

        self._files[str(Path(filePath))] = pydicom.dcmread(filePath, stop_before_pixels=True)
        self.databaseChanged.emit()

    def _values(self, field: str, **conditions: str) -> tuple[str, ...]:
        found = (
            str(getattr(header, field, ""))
            for header in self._files.values()
            if all(str(getattr(header, name, "")) == value for name, value in conditions.items())
        )
        return tuple(dict.fromkeys(found))

    def patients(self) -> tuple[str, ...]:
        return self._values("PatientID")

    def studiesForPatient(self, patientUID: str) -> tuple[str, ...]:
        return self._values("StudyInstanceUID", PatientID=patientUID)

    def seriesForStudy(self, studyUID: str) -> tuple[str, ...]:
        return self._values("SeriesInstanceUID", StudyInstanceUID=studyUID)

    def filesForSeries(self, seriesUID: str) -> tuple[str, ...]:
        return tuple(file for file, header in self._files.items() if header.SeriesInstanceUID == seriesUID)

    def nameForPatient(self, patientUID: str) -> str:
        return next(iter(self._values("PatientName", PatientID=patientUID)), "")

    def descriptionForStudy(self, studyUID: str) -> str:
        return self.fieldForStudy("StudyDescription", studyUID)

    def fieldForStudy(self, field: str, studyInstanceUID: str) -> str:
        return next(iter(self._values(field, StudyInstanceUID=studyInstanceUID)), "")
