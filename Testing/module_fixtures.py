"""Fixtures of the tests of the module's panel."""

import pytest
from analytic_findings import analytic_study
from module_host import write_results_folder


@pytest.fixture(scope="session")
def study():
    """Findings and images of the analytic study."""
    return analytic_study()


@pytest.fixture(scope="session")
def results(study, tmp_path_factory):
    """A results folder of the analytic study."""
    return write_results_folder(*study, tmp_path_factory.mktemp("module") / "results")
