"""The MRML side: scene, logics, views; one for the whole process."""

from __future__ import annotations

import slicer
from trame_slicer.core import SlicerApp
from trame_slicer.views import AbstractView, ViewLayoutDefinition
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
        # Surfaces are the module's to show, the editor would take them away after each edit.
        self.segmentation_editor._ensure_active_segmentation_surface_repr_consistency = lambda: None
        for kind, name in (
            (slicer.vtkSlicerModelsLogic, "Models"),
            (slicer.vtkSlicerTransformLogic, "Transforms"),
            (slicer.vtkSlicerTablesLogic, "Tables"),
            (slicer.vtkSlicerUnitsLogic, "Units"),
            (slicer.vtkSlicerCamerasModuleLogic, "Cameras"),
        ):
            self.register_module_logic(kind(), logic_name=name)
        # Slicer's own logic of colours does so.
        self.scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())

    def create_view(self, definition: ViewLayoutDefinition) -> AbstractView:
        """A view with its node in the scene.

        trame-slicer's views add their node themselves; the one that the layout logic made must go first.
        """
        tag, kind = definition.singleton_tag, definition.view_type.value
        made_by_layout = self.scene.GetSingletonNode(tag, kind)
        if made_by_layout is not None:
            self.layout_logic.SetMRMLScene(None)
            self.scene.RemoveNode(made_by_layout)
        view = self.view_manager.create_view(definition)
        self.layout_logic.SetMRMLScene(self.scene)
        if view.get_view_node().GetScene() is not self.scene:
            raise RuntimeError(f"view {tag}: its node is not in the scene")
        return view

    def close_scene(self) -> None:
        """What File, Close Scene does."""
        self.scene.Clear(0)
        for view in self.view_manager.get_slice_views():
            view.set_slice_value(0.0)
