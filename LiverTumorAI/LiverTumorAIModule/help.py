"""The module's help: what it does, and its keys."""

from __future__ import annotations

from slicer.i18n import tr as _

KEYS = (
    ("N, P", _("next, previous lesion")),
    ("A, X", _("accept, reject the lesion and go on")),
    ("Z", _("zoom in on each lesion, or show the whole image")),
    ("T", _("type of the lesion")),
    ("G", _("target lesion (RECIST 1.1)")),
    ("E", _("correct lesions: open or close the segment editor")),
    ("L", _("then a click into a missed lesion draws it")),
    ("Delete", _("delete the lesion")),
    ("Ctrl+Z, Ctrl+Y", _("undo, redo: decisions and strokes in one order")),
    ("C, S, M", _("compare phases, single view, planes and 3D")),
    ("1-5", _("phase in place")),
    ("1-8, Esc", _("while the segment editor is open: take up a tool, put it down")),
    ("B", _("blink between two phases")),
    ("F2-F6", _("window: liver, narrow liver, soft tissue, lung, bone")),
    ("I", _("maximum intensity projection of a slab")),
    ("H", _("heatmap of the lesion")),
)


def help_text() -> str:
    """Rich text for Slicer's help section."""
    about = _(
        "Registers the phases of a liver CT or MR study, finds the liver and its focal lesions, "
        "tells their types with an honest degree of certainty, and measures them. "
        "Every segment can be corrected. Research use only, not for clinical use."
    )
    steps = _(
        "Choose a study, look at its phases, analyze it, then go through the lesions with the keys below. "
        "They work wherever the mouse is while the module is open."
    )
    rows = "".join(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for keys, what in KEYS)
    return f"<p>{about}</p><p>{steps}</p><table>{rows}</table>"
