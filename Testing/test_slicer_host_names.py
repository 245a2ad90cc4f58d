"""SlicerHost invents nothing: what it offers under a Slicer or CTK name exists there."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

from PySide6.QtCore import Property, Signal
from slicer_host import Host

# Plain C++ methods that the list leaves out and that Slicer's own Python code calls.
CALLED_BY_SLICER = {"logic", "widgetRepresentation", "testingEnabled"}
CHECK = Path(__file__).resolve().parents[2] / "shared" / "slicer-api" / "check.py"


@pytest.fixture(scope="module")
def host():
    with Host() as host:
        yield host


@pytest.fixture(scope="module")
def check():
    if not CHECK.is_file():
        pytest.skip("the list of Slicer's names (shared/slicer-api) is not here")
    spec = importlib.util.spec_from_file_location("slicer_api_check", CHECK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def offered_classes(host):
    from slicer_host import namespace

    return namespace.slicer_classes() | namespace.ctk_classes()


def members(cls):
    """Public names that the host's own code gives a class."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("slicer_host")]
    return {name for base in own for name in vars(base) if not name.startswith("_") and name != "staticMetaObject"}


def bases(check, name):
    """A class and those of its bases that the list knows."""
    found = [name]
    for base in check.MANIFEST.get(name, {}).get("bases", []):
        found += bases(check, base)
    return found


def real_names(check, name):
    """Names that Slicer, CTK and Qt give a class; bases that are no QObject count for nothing."""
    names = set(check.PYTHONQT) | check.qt_names("QObject")
    for base in bases(check, name):
        if base not in check.MANIFEST:
            names |= check.qt_names(base) or set()
            continue
        entry = check.MANIFEST[base]
        names |= set(entry["properties"]) | {v for values in entry["enums"].values() for v in values}
        names |= {text.split("(")[0] for kind in ("signals", "slots", "invokables") for text in entry[kind]}
    return names


def test_every_class_exists(host, check):
    assert {name for name in offered_classes(host) if name not in check.MANIFEST} == set()


def test_every_member_exists(host, check):
    invented = {}
    for name, cls in offered_classes(host).items():
        unknown = members(cls) - real_names(check, name) - CALLED_BY_SLICER
        if unknown:
            invented[name] = sorted(unknown)
    assert invented == {}


def test_what_the_list_leaves_out_is_called_by_slicer_itself(host):
    import slicer

    source = Path(slicer.util.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r"\.(\w+)\(", source)) >= CALLED_BY_SLICER


def test_properties_and_signals_are_of_the_right_kind(host, check):
    wrong = []
    for name, cls in offered_classes(host).items():
        entry = check.MANIFEST[name]
        known = [check.MANIFEST[base] for base in bases(check, name) if base in check.MANIFEST]
        signals = {text.split("(")[0] for each in known for text in each["signals"]}
        for member, value in vars(cls).items():
            if isinstance(value, Signal) and member not in signals:
                wrong.append(f"{name}.{member} is no signal")
            if isinstance(value, Property) and member in {t.split("(")[0] for t in entry["slots"]}:
                wrong.append(f"{name}.{member} is a slot, no property")
            if inspect.isfunction(value) and member in entry["properties"]:
                callable_too = {t.split("(")[0] for k in ("slots", "invokables") for t in entry[k]}
                if member not in callable_too:
                    wrong.append(f"{name}.{member} is a property, no method")
    assert wrong == []


def test_an_invented_member_would_be_found(host, check):
    from slicer_host import mrml_widgets

    class qMRMLNodeComboBox(mrml_widgets.qMRMLNodeComboBox):  # noqa: N801
        __module__ = "slicer_host.invented"

        def currentNodes(self):
            return []

    assert members(qMRMLNodeComboBox) - real_names(check, "qMRMLNodeComboBox") == {"currentNodes"}


def test_the_sample_module_uses_only_real_names(host, check):
    folder = Path(__file__).parent / "SlicerHost" / "samples" / "HostSample"
    files = [str(folder / "HostSample.py"), str(folder / "Resources" / "UI" / "HostSample.ui")]
    assert check.main(files) == 0
