"""Fixtures of the tests of the module's panel: one application and one panel for each file."""

import pytest
from analytic_findings import analytic_study
from module_host import load_panel, write_results_folder
from slicer_host import Host


@pytest.fixture(scope="session")
def study():
    """Findings and images of the analytic study."""
    return analytic_study()


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    """A results folder of the analytic study; what is read in one file is not kept for the next."""
    return write_results_folder(*study, tmp_path_factory.mktemp("module") / "results")


@pytest.fixture(scope="module")
def running():
    with Host(size=(1280, 800)) as started:
        yield started


@pytest.fixture
def host(running):
    """The application; fails what went wrong in slots and observers."""
    yield running
    running.check()
    running.messages.shown.clear()


@pytest.fixture(scope="module")
def panel(running, results):
    """The panel with the analytic study's results."""
    return load_panel(running, results)


@pytest.fixture
def scene(host):
    return host.slicer.mrmlScene
