"""Heatmaps in front of the images, with a legend."""

import textwrap

import SimpleITK as sitk
import slicer

from LiverTumorAILib.explanation.colours import heat_colours
from LiverTumorAILib.mrml.geometry import image_data, index_to_ras, vtk_matrix
from LiverTumorAILib.mrml.nodes import find_owned, owned_node

HEATMAP_ROLE = "heatmap"
COLOURS_ROLE = "heatmap colours"
COLOURS_NAME = "Liver Tumor AI evidence"
TITLE_COLUMNS = 16
"""Characters in a line of the legend's title."""


def show_heatmap(scene: slicer.vtkMRMLScene, heatmap: sitk.Image, title: str, opacity: float) -> None:
    """Show a heatmap (0-1; LPS, mm) in front of what all slice views show, with its title in a legend."""
    node = owned_node(scene, "vtkMRMLScalarVolumeNode", HEATMAP_ROLE, title)
    node.SetIJKToRASMatrix(vtk_matrix(index_to_ras(heatmap)))
    node.SetAndObserveImageData(image_data(sitk.GetArrayFromImage(heatmap)))
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetAndObserveColorNodeID(_colour_node(scene).GetID())
    _put_in_front(scene, node, opacity)
    _show_legend(node, title)


def hide_heatmap(scene: slicer.vtkMRMLScene) -> None:
    """Show nothing in front of the images."""
    _put_in_front(scene, None, 0.0)
    node = find_owned(scene, HEATMAP_ROLE)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node) if node else None
    if legend is not None:
        legend.SetVisibility(False)


def _put_in_front(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLVolumeNode | None, opacity: float) -> None:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        composite.SetForegroundVolumeID(node.GetID() if node else None)
        composite.SetForegroundOpacity(opacity)


def _colour_node(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    node = find_owned(scene, COLOURS_ROLE)
    if node is None:
        colours = heat_colours()
        node = owned_node(scene, "vtkMRMLColorTableNode", COLOURS_ROLE, COLOURS_NAME)
        node.SetTypeToUser()
        node.SetHideFromEditors(True)
        node.SetNumberOfColors(len(colours))
        for index, colour in enumerate(colours.tolist()):
            node.SetColor(index, f"{index / (len(colours) - 1):.2f}", *colour)
        node.GetLookupTable().SetRange(0, len(colours) - 1)
    return node


def _show_legend(node: slicer.vtkMRMLVolumeNode, title: str) -> None:
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    # One line would be cut off at the view's edge.
    legend.SetTitleText(textwrap.fill(title, TITLE_COLUMNS))
    legend.SetLabelFormat("%.1f")
    legend.SetNumberOfLabels(3)
    legend.SetSize(0.1, 0.4)
    legend.SetPosition(0.97, 0.5)
    legend.GetTitleTextProperty().SetFontSize(12)
    legend.GetLabelTextProperty().SetFontSize(10)
    legend.SetVisibility(True)
