"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from LiverTumorAILib.phantom import Phantom

# The same examples in every run; HYPOTHESIS_PROFILE=explore draws new ones.
CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **CALM)
settings.register_profile("explore", derandomize=False, **CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ROOT = Path(__file__).resolve().parents[1]
SMALL_SEED = 4


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real image data beside the checkout; skips where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real image data is missing at {folder}")
    return folder


@pytest.fixture(scope="session")
def small_phantom() -> Phantom:
    """A four-phase CT phantom with coarse voxels."""
    from LiverTumorAILib.phantom import PhantomOptions, generate_phantom

    return generate_phantom(SMALL_SEED, "ct4", PhantomOptions(spacing_mm=(5.0, 3.0, 3.0), breathing_mm=8.0))


@pytest.fixture(scope="session")
def small_study(small_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small phantom as a folder of DICOM with truth."""
    from LiverTumorAILib.phantom import write_case

    folder = tmp_path_factory.mktemp("small") / "study"
    write_case(small_phantom, folder, dicom=True)
    return folder
