"""Write the lists of scripts and resources in CMakeLists.txt; with --check only say what is wrong."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "LiverTumorAI"
NOT_INSTALLED = {"__pycache__", ".DS_Store"}


def files(folder: Path, base: Path) -> list[str]:
    """Files of a folder, sorted, relative to `base`."""
    found = (path for path in folder.rglob("*") if path.is_file() and not NOT_INSTALLED.intersection(path.parts))
    return sorted(path.relative_to(base).as_posix() for path in found if path.suffix != ".pyc")


def wanted_lists() -> dict[Path, dict[str, list[str]]]:
    """What each list should hold, by CMakeLists.txt and by the name in its markers."""
    library = files(ROOT / "LiverTumorAILib", ROOT)
    module = [name for name in files(MODULE, MODULE) if name != "CMakeLists.txt"]
    return {
        ROOT / "CMakeLists.txt": {
            "library scripts": [name for name in library if name.endswith(".py")],
            "library resources": [name for name in library if not name.endswith(".py")]
            + files(ROOT / "Resources", ROOT)
            + files(ROOT / "models", ROOT),
        },
        MODULE / "CMakeLists.txt": {
            "module scripts": [name for name in module if name.endswith(".py")],
            "module resources": [name for name in module if not name.endswith(".py")],
        },
    }


def listed(text: str, name: str) -> list[str]:
    """What a list holds now."""
    return re.search(rf"# BEGIN {name}\n(.*?) *# END {name}", text, re.DOTALL).group(1).split()


def with_list(text: str, name: str, entries: list[str]) -> str:
    """The text with one list replaced."""
    lines = "".join(f"  {entry}\n" for entry in entries)
    return re.sub(
        rf"(# BEGIN {name}\n).*?( *# END {name})", lambda m: m.group(1) + lines + m.group(2), text, flags=re.DOTALL
    )


def differences() -> list[str]:
    """One line for each file that a list lacks or names wrongly."""
    lines = []
    for path, lists in wanted_lists().items():
        text = path.read_text(encoding="utf-8")
        for name, entries in lists.items():
            present = set(listed(text, name))
            where = f"{path.relative_to(ROOT)}, {name}"
            lines += [f"{where}: lacks {entry}" for entry in entries if entry not in present]
            lines += [f"{where}: there is no {entry}" for entry in sorted(present.difference(entries))]
    return lines


def update() -> None:
    """Write all lists."""
    for path, lists in wanted_lists().items():
        text = path.read_text(encoding="utf-8")
        for name, entries in lists.items():
            text = with_list(text, name, entries)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a list is wrong")
    if not parser.parse_args().check:
        update()
    print("\n".join(differences()) or "all lists are complete")
    sys.exit(bool(differences()))
