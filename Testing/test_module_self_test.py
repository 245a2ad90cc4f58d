"""The self-test that Slicer's test runner runs proves the module with the networks that ship."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

from module_host import load_panel
from slicer_host import Host


def test_the_self_test_passes_and_leaves_the_users_reviews_alone():
    with Host(size=(1280, 800)) as host:
        panel = load_panel(host)
        sessions = panel.logic.sessions
        before = sessions.all()
        host.slicer.selfTests["LiverTumorAI"](0)
        host.check()
        assert host.messages.texts("error") == []
        assert panel.logic.sessions is panel.earlier.sessions is sessions
        assert sessions.all() == before
