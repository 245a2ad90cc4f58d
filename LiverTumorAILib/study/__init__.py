"""From a folder of DICOM or volumes to a `Study` with recognised phases."""

from LiverTumorAILib.study.loading import load_study
from LiverTumorAILib.study.phase import REFERENCE_ORDER, Phase
from LiverTumorAILib.study.study import Modality, Study, StudyVolume
from LiverTumorAILib.study.volume_files import read_image

__all__ = ["REFERENCE_ORDER", "Modality", "Phase", "Study", "StudyVolume", "load_study", "read_image"]
