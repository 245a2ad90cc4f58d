"""Findings and MRML nodes. The only folder that imports slicer or vtk."""
