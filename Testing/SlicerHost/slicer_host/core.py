"""The MRML side: scene, logics, views; one for the whole process."""

from __future__ import annotations

import slicer
from trame_slicer.core import SlicerApp
from undo_stack import UndoStack

from .views import ViewFactory


class Core(SlicerApp):
    """trame-slicer's application with the remaining logics that Slicer's modules offer."""

    def __init__(self):
        super().__init__()
        slicer.mrmlScene = self.scene
        self.view_manager.register_factory(ViewFactory())
        self.layout_logic = slicer.vtkMRMLLayoutLogic()
        self.layout_logic.SetMRMLScene(self.scene)
        self.segmentation_editor.set_undo_stack(UndoStack(undo_limit=20))
        for kind, name in (
            (slicer.vtkSlicerModelsLogic, "Models"),
            (slicer.vtkSlicerTransformLogic, "Transforms"),
            (slicer.vtkSlicerTablesLogic, "Tables"),
            (slicer.vtkSlicerUnitsLogic, "Units"),
        ):
            self.register_module_logic(kind(), logic_name=name)

    def close_scene(self) -> None:
        """What File, Close Scene does."""
        self.scene.Clear(0)
