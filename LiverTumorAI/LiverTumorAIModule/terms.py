"""The words of the library's closed lists in the language of the application.

What the library says in sentences (errors, reasons, warnings) stays as it is.
"""

from __future__ import annotations

from slicer.i18n import tr as _

TERMS = {
    "HCC": _("HCC"),
    "ICC": _("ICC"),
    "metastasis": _("metastasis"),
    "hemangioma": _("hemangioma"),
    "FNH": _("FNH"),
    "other": _("other"),
    "cyst": _("cyst"),
    "calcification": _("calcification"),
    "certain": _("certain"),
    "uncertain": _("uncertain"),
    "non-contrast": _("non-contrast"),
    "arterial": _("arterial"),
    "portal venous": _("portal venous"),
    "delayed": _("delayed"),
    "hepatobiliary": _("hepatobiliary"),
    "to review": _("to review"),
    "accepted": _("accepted"),
    "changed": _("changed"),
    "rejected": _("rejected"),
    "new": _("new"),
    "green": _("green"),
    "check": _("check"),
    "failed": _("failed"),
    "liver": _("liver"),
    "hepatic vessels": _("hepatic vessels"),
    "portal and splenic vein": _("portal and splenic vein"),
    "gallbladder": _("gallbladder"),
    "spleen": _("spleen"),
    "pancreas": _("pancreas"),
    "stomach": _("stomach"),
    "Liver": _("Liver"),
    "Liver, narrow": _("Liver, narrow"),
    "Soft tissue": _("Soft tissue"),
    "Lung": _("Lung"),
    "Bone": _("Bone"),
}
"""By the library's title: types, certainty, phases, review states, verdicts of registrations, organs, windows."""


def term(title: str) -> str:
    """A word of the library as the user reads it."""
    return TERMS.get(title, title)
