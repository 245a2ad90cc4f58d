"""slicer.app.ioManager(): reading and writing of nodes by MRML's own storage nodes."""

from __future__ import annotations

from pathlib import Path

import slicer
from PySide6.QtCore import QObject

_TYPES = {
    ".nrrd": "VolumeFile",
    ".nhdr": "VolumeFile",
    ".nii": "VolumeFile",
    ".nii.gz": "VolumeFile",
    ".mha": "VolumeFile",
    ".mhd": "VolumeFile",
    ".seg.nrrd": "SegmentationFile",
    ".mrk.json": "MarkupsFile",
    ".tfm": "TransformFile",
    ".h5": "TransformFile",
    ".vtk": "ModelFile",
    ".stl": "ModelFile",
    ".obj": "ModelFile",
    ".ply": "ModelFile",
    ".mrb": "SceneFile",
}


class qSlicerCoreIOManager(QObject):  # noqa: N801
    def fileType(self, file: str) -> str:
        name = Path(file).name.lower()
        suffix = max((s for s in _TYPES if name.endswith(s)), key=len, default=None)
        return _TYPES.get(suffix, "NoFile")

    def loadScene(self, fileName: str, clear: bool = True, userMessages=None) -> bool:
        """Open a bundle (.mrb); Slicer's other kinds of scene are not offered."""
        if clear:
            slicer.app._core.close_scene()
        return bool(slicer.mrmlScene.ReadFromMRB(fileName, False))

    def loadNodes(self, fileType: str, parameters: dict, loadedNodes=None, userMessages=None) -> bool:
        path = str(parameters["fileName"])
        if fileType == "SceneFile":
            return self.loadScene(path, parameters.get("clear", True))
        name = parameters.get("name") or Path(path).name.split(".")[0]
        node = self._load(fileType, path, name, parameters)
        if node is None:
            return False
        if loadedNodes is not None:
            loadedNodes.AddItem(node)
        return True

    def _load(self, kind: str, path: str, name: str, parameters: dict):
        if kind == "VolumeFile":
            node = slicer.modules.volumes.logic().AddArchetypeVolume(path, name, 1 if parameters.get("labelmap") else 0)
            if node is not None and parameters.get("show", True):
                slicer.util.setSliceViewerLayers(background=node, fit=True)
            return node
        if kind == "SegmentationFile":
            return slicer.modules.segmentations.logic().LoadSegmentationFromFile(path, True, name)
        if kind == "MarkupsFile":
            identifier = slicer.modules.markups.logic().LoadMarkups(path, name)
            return slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
        if kind == "TransformFile":
            return slicer.modules.transforms.logic().AddTransform(path, slicer.mrmlScene)
        if kind == "ModelFile":
            return slicer.modules.models.logic().AddModel(path)
        return None

    def fileWriterFileType(self, node, extension: str = "") -> str:
        return node.GetClassName()

    def saveNodes(self, fileType: str, parameters: dict, userMessages=None, scene=None) -> bool:
        if fileType == "SceneFile":
            return bool(slicer.mrmlScene.WriteToMRB(str(parameters["fileName"])))
        node = slicer.mrmlScene.GetNodeByID(parameters["nodeID"])
        storage = node.GetStorageNode()
        if storage is None:
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
        storage.SetFileName(str(parameters["fileName"]))
        return bool(storage.WriteData(node))


class qSlicerIOManager(qSlicerCoreIOManager):  # noqa: N801
    pass
