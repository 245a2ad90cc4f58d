# Slicer's own file of this purpose does more.
