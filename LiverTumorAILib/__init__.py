"""Liver Tumor AI: multi-phase liver studies in, segmented, typed and measured lesions out.

The packages follow the way of a study: `study`, `registration`, `inference`, `lesions`, `measurement`,
`explanation`, `cascades`, `pipeline`, `report`. Each imports only from those before it.
Not for clinical use.
"""

__version__ = "0.1.0"
