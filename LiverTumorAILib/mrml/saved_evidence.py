"""Heatmaps and cached probabilities kept with the scene, as the files of the results folder that they came from."""

import base64
import json
import tempfile
from pathlib import Path

import SimpleITK as sitk
import slicer

from LiverTumorAILib.lesions.findings_io import HEATMAP_FOLDER
from LiverTumorAILib.lesions.sensitivity_file import SENSITIVITY_FILE, SensitivityData, read_sensitivity
from LiverTumorAILib.mrml.nodes import find_owned, owned_node

EVIDENCE_ROLE = "evidence"


def packed_evidence(folder: Path) -> str:
    """The files of a results folder that hold evidence, as text; touches no node."""
    files = [*sorted((folder / HEATMAP_FOLDER).glob("*.nii.gz")), folder / SENSITIVITY_FILE]
    return json.dumps({file.name: base64.b64encode(file.read_bytes()).decode() for file in files if file.is_file()})


def keep_evidence(scene: slicer.vtkMRMLScene, packed: str) -> None:
    """Keep what `packed_evidence` made in a text node, in place of that of other findings."""
    node = owned_node(scene, "vtkMRMLTextNode", EVIDENCE_ROLE, "Liver evidence")
    node.SetHideFromEditors(True)
    node.SetText(packed)


def read_evidence(scene: slicer.vtkMRMLScene) -> tuple[dict[str, sitk.Image], SensitivityData | None]:
    """Heatmaps by file name (0-1; LPS, mm) and cached probabilities that a scene holds.

    Raises
    ------
    ValueError, RuntimeError, LiverTumorAIError
        If they are broken.

    """
    node = find_owned(scene, EVIDENCE_ROLE)
    files = json.loads(node.GetText() or "{}") if node is not None else {}
    heatmaps, sensitivity = {}, None
    with tempfile.TemporaryDirectory(prefix="LiverTumorAI-") as folder:
        for name, content in files.items():
            # A scene may come from anywhere: no file leaves this folder.
            path = Path(folder) / Path(name).name
            path.write_bytes(base64.b64decode(content))
            if path.name == SENSITIVITY_FILE:
                sensitivity = read_sensitivity(path)
            else:
                heatmaps[path.name] = sitk.ReadImage(path)
    return heatmaps, sensitivity
