"""Finding and making the nodes that belong to this extension, each known by its role."""

from collections.abc import Iterator

import slicer

AT_A_TIME = 4
"""Nodes that are removed before the window lives on."""

ROLE = "LiverTumorAI.Role"
"""Node attribute that says what a node is for, such as 'volume:arterial' or 'segmentation'."""


_ids: dict[int, dict[str, str]] = {}
"""IDs by role, as of the latest change of a scene's list of nodes."""


def _ids_by_role(scene: slicer.vtkMRMLScene) -> dict[str, str]:
    # VTK counts changes of all objects together: the same time is the same list of the same scene.
    changed = scene.GetNodes().GetMTime()
    if changed not in _ids:
        nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
        _ids.clear()
        _ids[changed] = {role: node.GetID() for node in nodes if (role := node.GetAttribute(ROLE))}
    return _ids[changed]


def owned_nodes(scene: slicer.vtkMRMLScene) -> dict[str, slicer.vtkMRMLNode]:
    """All nodes of this extension in the scene by role."""
    return {role: scene.GetNodeByID(node_id) for role, node_id in _ids_by_role(scene).items()}


def find_owned(scene: slicer.vtkMRMLScene, role: str) -> slicer.vtkMRMLNode | None:
    """The node of this extension with this role; None if the scene lacks it."""
    node_id = _ids_by_role(scene).get(role)
    return scene.GetNodeByID(node_id) if node_id else None


def owned_node(scene: slicer.vtkMRMLScene, class_name: str, role: str, name: str) -> slicer.vtkMRMLNode:
    """The node with this role, made if the scene lacks it; it bears `name` afterwards."""
    node = find_owned(scene, role)
    if node is None or node.GetClassName() != class_name:
        node = scene.AddNewNodeByClass(class_name, name)
        node.SetAttribute(ROLE, role)
        _ids.clear()
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
    elif node.GetName() != name:
        node.SetName(name)
    return node


def remove_owned(scene: slicer.vtkMRMLScene, keep: frozenset[str] = frozenset(), prefix: str = "") -> None:
    """Remove the nodes whose role begins with `prefix` and is not among `keep`, with their display nodes."""
    for _part in removing_owned(scene, keep, prefix):
        pass


def removing_owned(scene: slicer.vtkMRMLScene, keep: frozenset[str] = frozenset(), prefix: str = "") -> Iterator[None]:
    """`remove_owned`, some nodes at a time."""
    gone = [node for role, node in owned_nodes(scene).items() if role.startswith(prefix) and role not in keep]
    for count, node in enumerate(gone, start=1):
        remove_with_display(scene, node)
        if count % AT_A_TIME == 0:
            yield


def remove_with_display(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLNode) -> None:
    """Remove a node and what only serves it."""
    servants = []
    if node.IsA("vtkMRMLDisplayableNode"):
        servants = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    servants += [node.GetNthStorageNode(index) for index in range(node.GetNumberOfStorageNodes())]
    # Slicer's subject hierarchy follows the scene; the bare node of slicer-core does not.
    hierarchy = _hierarchy(scene)
    if item := hierarchy.GetItemByDataNode(node):
        hierarchy.RemoveItem(item, False, False)
    scene.RemoveNode(node)
    for servant in filter(None, servants):
        scene.RemoveNode(servant)


def put_in_folder(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLNode, folder: str) -> None:
    """Show a node inside a folder of the subject hierarchy; the folder is made if missing."""
    hierarchy = _hierarchy(scene)
    root = hierarchy.GetSceneItemID()
    item = hierarchy.GetItemChildWithName(root, folder) or hierarchy.CreateFolderItem(root, folder)
    child = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(item, node)
    hierarchy.SetItemParent(child, item)


def remove_folder(scene: slicer.vtkMRMLScene, folder: str) -> None:
    """Remove an empty folder of the subject hierarchy."""
    hierarchy = _hierarchy(scene)
    item = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), folder)
    if item and not hierarchy.GetNumberOfItemChildren(item):
        hierarchy.RemoveItem(item)


def _hierarchy(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
