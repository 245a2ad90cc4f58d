"""Every text that a user sees can be translated."""

import ast
import re
import sys

import pytest
from conftest import ROOT

pytest.importorskip("slicer", reason="needs slicer-core (extra 'window')")
pytest.importorskip("PySide6", reason="needs PySide6 (extra 'window')")

import SimpleITK as sitk
import slicer
from module_host import load_panel
from PySide6.QtCore import QTranslator
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QTableWidget, QWidget
from slicer_host import Host

from LiverTumorAILib.lesions import Certainty, LesionType, Organ
from LiverTumorAILib.measurement.lirads import major_features
from LiverTumorAILib.mrml.segmentation import segment_mask, set_segment_mask
from LiverTumorAILib.mrml.windows import WindowPreset
from LiverTumorAILib.registration import Verdict
from LiverTumorAILib.review.reading import ReviewState
from LiverTumorAILib.study import Phase

pytest_plugins = ["module_fixtures"]

MODULE = ROOT / "LiverTumorAI"
SOURCES = sorted({*MODULE.rglob("*.py")} - {MODULE / "LiverTumorAIModule" / "self_test.py"})
"""The self test speaks to developers."""

PROPERTIES = {"text", "toolTip", "title", "helpText", "acknowledgementText", "windowTitle", "placeholderText"}
SETTERS = {
    *("setText", "setToolTip", "setTitle", "setHorizontalHeaderLabels", "addItem", "addTab", "addAction", "addMenu"),
    *("addRow", "QLabel", "QPushButton", "QCheckBox", "QTableWidgetItem", "getExistingDirectory", "getColor"),
    *("errorDisplay", "warningDisplay", "infoDisplay", "confirmOkCancelDisplay", "tryWithErrorDisplay"),
    *("say", "complain", "do", "LiverTumorAIError", "RuntimeError"),
}
READERS = {"replace", "endswith", "startswith", "removesuffix"}
NAMES = {"Liver Tumor AI", "Liver Tumor AI contributors", "Level tracing"}
"""The module's own name where packages are asked for, and what Slicer calls an effect of its segment editor."""


def name_of(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def not_shown(node):
    """What of a node is no text for the user: keys, docstrings, what something is compared to, or is in _()."""
    if isinstance(node, ast.Call):
        return [node] if name_of(node) in {"_", "translate"} else node.args if name_of(node) in READERS else []
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key]
    if isinstance(node, ast.FormattedValue):
        return [node.format_spec] if node.format_spec else []
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return [node] if is_docstring or isinstance(node, ast.Compare) else []


def literals(tree):
    """Literals that may be shown as they stand."""
    hidden = {id(inner) for node in ast.walk(tree) for part in not_shown(node) for inner in ast.walk(part)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node for node in texts if id(node) not in hidden and node.value not in NAMES]


def is_shown(node, is_wording):
    """Whether every word below a node is shown."""
    if isinstance(node, ast.Assign):
        return any(getattr(target, "attr", "") in PROPERTIES for target in node.targets)
    return (isinstance(node, ast.Call) and name_of(node) in SETTERS) or (is_wording and isinstance(node, ast.Return))


def untranslated(source, is_wording=False):
    """Words and sentences of a file's source that no translation reaches."""
    tree = ast.parse(source)
    candidates = literals(tree)
    inside = {id(inner) for node in ast.walk(tree) if is_shown(node, is_wording) for inner in ast.walk(node)}
    words = [node for node in candidates if id(node) in inside and re.search("(?<!<)[A-Za-z]{2}", node.value)]
    sentences = [node for node in candidates if re.search("[A-Za-z]{2},? [A-Za-z]{2}", node.value)]
    return sorted({f"{node.lineno}: {node.value}" for node in (*words, *sentences)})


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_text_is_out_of_reach_of_translations(source):
    assert untranslated(source.read_text(encoding="utf-8"), source.stem == "wording") == []


@pytest.mark.parametrize(
    "code",
    [
        "label.text = 'Loading'",
        "button.toolTip = f'Missing: {names}'",
        "item.setToolTip('as acquired')",
        "combo.addItem('none' if empty else _('all'))",
        "self.say(_('Saved.') + ' Look at it.')",
        "HINT = 'Load a study first'",
        "slicer.util.errorDisplay(f'{count} failed')",
    ],
)
def test_the_search_finds_what_is_forgotten(code):
    assert untranslated(code)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_translators_get_whole_texts(source):
    """Tools that collect texts read the source: only a plain literal gets into the catalogue."""
    calls = [node for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    arguments = [call.args[0] for call in calls if name_of(call) == "_"]
    assert all(isinstance(argument, ast.Constant) for argument in arguments)


class Catalogue(QTranslator):
    """Stands for a translation of everything: «text»."""

    def translate(self, context, text, _disambiguation=None, _count=-1):
        return f"«{text}»" if context.startswith("LiverTumorAI") else None

    def isEmpty(self):
        return False


@pytest.fixture
def translated(results):
    """A panel that was loaded, like in Slicer, after the translation."""
    before = {name: module for name, module in sys.modules.items() if name.startswith("LiverTumorAIModule")}
    for name in before:
        del sys.modules[name]
    with Host(size=(1280, 800)) as host:
        catalogue = Catalogue()
        host.app.installTranslator(catalogue)
        yield load_panel(host, results)
        host.app.removeTranslator(catalogue)
        host.check()
    for name in [name for name in sys.modules if name.startswith("LiverTumorAIModule")]:
        del sys.modules[name]
    sys.modules.update(before)


def texts_of(widget):
    """What a widget shows."""
    yield widget.toolTip()
    if isinstance(widget, QLabel | QAbstractButton):
        yield widget.text()
    if isinstance(widget, QComboBox):
        yield from (widget.itemText(index) for index in range(widget.count()))
    if isinstance(widget, QTableWidget):
        yield from (widget.horizontalHeaderItem(column).text() for column in range(widget.columnCount()))
        items = [widget.item(row, column) for row in range(widget.rowCount()) for column in range(widget.columnCount())]
        yield from (text for item in items if item for text in (item.text(), item.toolTip()))


def said_by_library(panel):
    """File names, and what the library says of these findings in words of its own."""
    from LiverTumorAIModule.wording import short_place

    shown, reading = panel.shown, panel.shown.reading
    records = {text for record in shown.findings.phases for text in (record.source, record.reason)}
    reasons = {reason for lesion in reading.lesions for reason in lesion.certainty_reasons}
    places = {panel.results.details.of(lesion).place for lesion in reading.lesions}
    images = {phase: shown.image(phase) for phase in shown.phases}
    lesion = panel.review.selected
    features = major_features(lesion, reading.masks[lesion.uid], images, shown.findings.modality)
    evidence = {text for feature in features for text in (feature.name, feature.numbers)}
    return records | reasons | places | {short_place(place) for place in places} | evidence


def left_after_translation(text, library):
    """What stands outside all «» and is not said by the library."""
    before = None
    while text != before:
        before, text = text, re.sub("«[^«»]*»", "", text)
    for said in sorted(library, key=len, reverse=True):
        text = text.replace(said, "") if said else text
    return re.sub("<[^>]*>|&[a-z]+;", "", text).strip()


def test_the_whole_window_speaks_the_language_of_the_application(translated):
    from LiverTumorAILib.cascades import CASCADES

    form = translated.ui.LiverTumorAI
    translated.ui.targetButton.click()
    translated.ui.heatmapButton.click()
    texts = {text for widget in form.findChildren(QWidget) for text in texts_of(widget) if text}
    library = {cascade.title for cascade in CASCADES.values()} | said_by_library(translated.findings)
    left = {left_after_translation(text, library) for text in texts}
    assert {text for text in left if re.search("[A-Za-z]{2}", text)} == set()
    assert translated.ui.acceptButton.text() == "«Accept»"
    assert translated.ui.reviewedLabel.text() == "«0 of 3 reviewed»"


@pytest.mark.parametrize(("segment", "step"), [("lesion-2", "«edit of lesion 2»"), ("liver", "«edit of «liver»»")])
def test_undo_names_an_edit_in_the_language_of_the_application(translated, segment, step):
    node = translated.findings.shown.segmentation
    set_segment_mask(node, segment, sitk.BinaryErode(segment_mask(node, segment), (1, 1, 1)))
    translated.findings.editing.settle()
    slicer.app.processEvents()
    assert translated.ui.undoButton.toolTip() == f"«Undo: {step}»"


def test_every_word_of_the_librarys_lists_can_be_translated(translated):
    from LiverTumorAIModule.terms import TERMS

    titles = {item.title for kind in (LesionType, Organ, Phase) for item in kind}
    values = {item.value for kind in (Certainty, ReviewState, Verdict, WindowPreset) for item in kind}
    assert set(TERMS) == titles | values
