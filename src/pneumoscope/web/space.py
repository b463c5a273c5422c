"""A Hugging Face Space: a folder with the web page, this package, one bundle, and what Spaces must be told.

Spaces runs `pip install -r /tmp/requirements.txt gradio[oauth,mcp]==SDK_VERSION spaces` (and little else)
before any other file of the folder is there, and copies the folder afterwards. So the requirements name no
file of the folder, neither a wheel nor `.`: the package's own modules lie beside `app.py`, where Python finds
them. They are ranges, because Gradio's extra `mcp` wants an older pydantic than the newest.
Source: https://huggingface.co/docs/hub/spaces-config-reference, and the build logs of Spaces.
"""

import re
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

import pneumoscope
from pneumoscope.errors import MissingExtraError, UsageError
from pneumoscope.runtime.bundle import Bundle, open_bundle

__all__ = ["space_texts", "write_space"]

_PACKAGE = "pneumoscope"
_BUNDLE = "bundle"
_PYTHON = "3.11"  # the oldest that the package takes; Spaces would take 3.10
_EXTRAS = ("web", "sample")
# What the Hub puts into a new Space beside its README.md; whatever else is there is ours or foreign.
_OF_THE_HUB = {".git", ".gitattributes"}

_APP = '''\
"""The web page of Pneumoscope as a Hugging Face Space. Written by `pneumoscope export-space`."""

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Where Gradio knows the name of the Space, its page fetches a header and fonts from others.
os.environ.pop("SPACE_ID", None)

from pneumoscope import load
from pneumoscope.web.page import build_page
from pneumoscope.web.settings import PageSettings

demo = build_page(load(Path(__file__).with_name("bundle")), PageSettings(public=True))

if __name__ == "__main__":
    demo.launch()
'''

# A bundle is verified byte by byte, and the Hub takes binary files through LFS only.
_ATTRIBUTES = """\
bundle/** -text
*.onnx filter=lfs diff=lfs merge=lfs -text
"""

# The Hub refuses a short description of more than 60 characters.
_README = """\
---
title: Pneumoscope
emoji: 🫁
colorFrom: gray
colorTo: blue
sdk: gradio
sdk_version: "{gradio}"
python_version: "{python}"
app_file: app.py
license: mit
short_description: "Chest films: how likely pneumonia is, and where"
tags:
  - medical
  - radiology
  - explainability
pinned: false
---

# Pneumoscope

Give it a chest radiograph, DICOM or image, and it says how likely pneumonia is and where it sees it.

**Research use only; not a medical device.** It must not be used to diagnose, treat or triage patients.

- **A film goes to the machine that this page runs on.** It is scored there and deleted. Where that machine is
  not yours, send only films without names that you may pass on.
- What the model is for, and what was measured on whom: [bundle/README.md](bundle/README.md).
- The code is under the MIT licence. The weights come from films under their own terms, some of them for
  non-commercial research only: [bundle/card.json](bundle/card.json) lists them.

## This folder

`pneumoscope export-space` wrote it; the same command brings it up to date. It runs on any machine with Python
{python} or newer:

```
pip install -r requirements.txt
python app.py
```

`pneumoscope/` is the package, `bundle/` the model, verified by SHA-256 whenever it is loaded.
"""


def space_texts(version_of: Callable[[str], str] = version) -> dict[str, str]:
    """The files of a Space that are text of ours, name to content.

    Args:
        version_of: version of an installed distribution; requirements end below its next major version.

    Raises:
        MissingExtraError: Gradio is not installed, so there is no version to name.
        UsageError: the package does not run from an installation that knows its requirements.
    """
    try:
        gradio = version_of("gradio")
    except PackageNotFoundError as error:
        raise MissingExtraError("gradio", "web") from error
    try:
        wanted = [Requirement(line) for line in requires(_PACKAGE) or ()]
    except PackageNotFoundError as error:
        raise UsageError(
            "pneumoscope runs here without being installed, so what it requires is not known: "
            "pip install it, and export the Space from there"
        ) from error
    lines = {_requirement(one, version_of) for one in wanted if _is_of_the_page(one)}
    return {
        ".gitattributes": _ATTRIBUTES,
        ".gitignore": "__pycache__/\n",
        "README.md": _README.format(gradio=gradio, python=_PYTHON),
        "app.py": _APP,
        "requirements.txt": "".join(f"{line}\n" for line in sorted(lines)),
    }


def write_space(out: Path, bundle: Bundle) -> None:
    """Write a Space; an older one in the same folder is replaced, its git history is left alone.

    Args:
        out: made where it does not exist.
        bundle: what the page scores with.

    Raises:
        UsageError: the folder holds something that is no part of a Space, or cannot be written.
        MissingExtraError: Gradio is not installed.
    """
    texts = space_texts()
    _check_folder(out, {*texts, _PACKAGE, _BUNDLE})
    package = Path(pneumoscope.__file__).resolve().parent
    if package == (out / _PACKAGE).resolve():
        raise UsageError(f"{out} is the Space that this very command runs from: name another folder")
    # Read before anything is removed: it may be the bundle of the older Space.
    files = {path.name: path.read_bytes() for path in bundle.directory.iterdir()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8", newline="\n")
        for folder in (_PACKAGE, _BUNDLE):
            if (out / folder).exists():
                shutil.rmtree(out / folder)
        (out / _BUNDLE).mkdir()
        for name, content in files.items():
            (out / _BUNDLE / name).write_bytes(content)
        shutil.copytree(package, out / _PACKAGE, ignore=_not_shipped)
    except OSError as error:
        raise UsageError(f"{out} cannot be written as a folder: {error.strerror or error}") from error
    open_bundle(out / _BUNDLE)


def _check_folder(out: Path, ours: set[str]) -> None:
    """Refuse a folder that is neither new nor empty nor a Space: nothing of others is overwritten."""
    try:
        present = {path.name for path in out.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{out} cannot be read as a folder: {error.strerror}") from error
    for name in sorted(present - ours - _OF_THE_HUB):
        raise UsageError(f"{out / name} is no part of a Space: name an empty folder, or that of a Space")
    readme = out / "README.md"
    if present - _OF_THE_HUB and not (readme.exists() and _is_readme_of_a_space(readme)):
        raise UsageError(
            f"{out} is not empty and is no Gradio Space: name an empty folder, or that of a Space"
        )


def _is_readme_of_a_space(readme: Path) -> bool:
    header = re.match(
        r"---\n(.*?)^---$", readme.read_text(encoding="utf-8", errors="replace"), re.DOTALL | re.MULTILINE
    )
    return header is not None and re.search(r"^sdk: *gradio$", header[1], re.MULTILINE) is not None


def _not_shipped(folder: str, names: list[str]) -> set[str]:
    """Caches, and the bundles of the package: the Space has its own."""
    if Path(folder).name == "bundles":
        return {name for name in names if name != "__init__.py"}
    return {name for name in names if name == "__pycache__" or name.endswith(".pyc")}


def _is_of_the_page(requirement: Requirement) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *_EXTRAS))


def _requirement(requirement: Requirement, version_of: Callable[[str], str]) -> str:
    """`name>=LOWEST,<MAJOR`: what the package takes, below the major version after the installed one."""
    name = requirement.name
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    try:
        installed = version_of(name)
    except PackageNotFoundError:  # the sample may be left out here
        return f"{name}{extras}{requirement.specifier}"
    if name == "gradio":
        return f"gradio=={installed}"
    return f"{name}{extras}{requirement.specifier},<{Version(installed).major + 1}"
