"""The model store: folders with `model.onnx` and `card.json`."""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from LiverTumorAILib.errors import LiverTumorAIError
from LiverTumorAILib.inference.card import ModelCard, read_card
from LiverTumorAILib.inference.session import Session

ENVIRONMENT = "LIVERTUMORAI_MODELS"
MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"


@dataclass(frozen=True)
class Model:
    """A loaded network and its card."""

    card: ModelCard
    session: Session

    @property
    def device(self) -> str:
        """What computes it, such as 'cpu, OpenVINO'."""
        return f"{self.session.device}, {self.session.engine}"


@dataclass(frozen=True)
class Verification:
    """Whether one model of the store is whole; `problem` says in words what is wrong, empty if nothing is."""

    name: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the model can be used."""
        return not self.problem

    @property
    def words(self) -> str:
        """The model and 'ok', or what is wrong with it."""
        return f"{self.name}: {self.problem or 'ok'}"


class ModelStore:
    """Models in a folder, each in a folder named by it.

    Parameters
    ----------
    folder: Path, optional
        Default: the environment variable LIVERTUMORAI_MODELS, else `models` beside the library (installed in
        Slicer, or in the source tree), else what pip installed.

    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()

    def names(self) -> tuple[str, ...]:
        """Names of the models, sorted; empty if the folder is missing."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self.folder.iterdir() if (entry / CARD_FILE).is_file()))

    def card(self, name: str) -> ModelCard:
        """Card of a model; LiverTumorAIError if the model is missing or its card is broken."""
        folder = self._model_folder(name)
        card = read_card(folder / CARD_FILE)
        if card.name != name:
            raise LiverTumorAIError(
                f"The card names the model '{card.name}'", folder, f"Rename the folder to {card.name}"
            )
        return card

    def load(self, name: str, device: str = "auto") -> Model:
        """Load a model.

        Parameters
        ----------
        name: str
            Its folder in the store.
        device: str
            'auto', 'cpu' or 'cuda'.

        Raises
        ------
        LiverTumorAIError
            The model is missing, its SHA-256 is not the card's, or it does not have the card's channels and classes.

        """
        card = self.card(name)
        path = self.folder / name / MODEL_FILE
        content = self._checked_content(path, card)
        session = Session(content, device)
        _check_length(path, "input channels", session.input_shape, card.channels)
        _check_length(path, "classes", session.output_shape, len(card.classes))
        return Model(card, session)

    def verify(self) -> list[Verification]:
        """Check every model of the store: card, SHA-256, and that the network loads."""
        return list(self._verifications())

    def _verifications(self) -> Iterator[Verification]:
        for name in self.names():
            try:
                self.load(name, "cpu")
            except LiverTumorAIError as error:
                yield Verification(name, str(error))
            else:
                yield Verification(name)

    def _model_folder(self, name: str) -> Path:
        folder = self.folder / name
        if Path(name).name != name or not folder.is_dir():
            known = ", ".join(self.names()) or "none"
            raise LiverTumorAIError(
                f"There is no model '{name}'", self.folder, f"Models found there: {known}. Copy its folder there"
            )
        return folder

    @staticmethod
    def _checked_content(path: Path, card: ModelCard) -> bytes:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise LiverTumorAIError("The model file is missing", path, "Copy the whole model folder again") from None
        except OSError as error:
            raise LiverTumorAIError(f"The model file cannot be read: {error.strerror}", path) from error
        if hashlib.sha256(content).hexdigest() != card.sha256.lower():
            raise LiverTumorAIError(
                "The model file is not the one that its card describes (SHA-256 differs)",
                path,
                "Copy the whole model folder again",
            )
        return content


def default_folder() -> Path:
    """Folder of the models that come with the library."""
    if wish := os.environ.get(ENVIRONMENT):
        return Path(wish)
    library = Path(__file__).resolve().parents[1]
    places = (
        library / "models",
        library.parent / "models",
        library.parent.parent / "models",
        Path(sysconfig.get_path("data")) / "share" / "livertumorai" / "models",
    )
    return next((place for place in places if any(place.glob(f"*/{CARD_FILE}"))), places[1])


def _check_length(path: Path, what: str, shape: list[int | str | None], wanted: int) -> None:
    found = shape[1] if len(shape) == 5 else None
    if len(shape) != 5 or (isinstance(found, int) and found != wanted):
        raise LiverTumorAIError(
            f"The network has {found or 'not five-dimensional'} {what}, its card says {wanted}",
            path,
            "Copy the whole model folder again",
        )
