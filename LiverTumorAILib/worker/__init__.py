"""The pipeline in a process of its own: typed events out, cancel in."""
