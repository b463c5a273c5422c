"""`pneumoscope export-space`: what it writes and leaves alone. The Space at work: tests/web/test_space.py."""

import filecmp
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import pneumoscope
from pneumoscope.errors import MissingExtraError, UsageError
from pneumoscope.runtime.bundle import find_bundle, open_bundle
from pneumoscope.web.space import space_texts

from .conftest import Run

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ENTRIES = {".gitattributes", ".gitignore", "README.md", "app.py", "bundle", "pneumoscope", "requirements.txt"}


@pytest.fixture
def space(run: Run, tiny: Path, tmp_path: Path) -> Path:
    outcome = run("export-space", "--out", tmp_path / "space", "--model", tiny)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{tmp_path / 'space'}: the page with {open_bundle(tiny).identity}\n")
    return tmp_path / "space"


def header(space: Path) -> dict[str, object]:
    _, text, _ = (space / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def requirements(text: str) -> dict[str, Requirement]:
    return {one.name: one for one in map(Requirement, text.splitlines())}


def test_folder_holds_the_package_the_bundle_and_nothing_else(space: Path, tiny: Path) -> None:
    assert {path.name for path in space.iterdir()} == ENTRIES
    assert open_bundle(space / "bundle").sha256 == open_bundle(tiny).sha256
    package = Path(pneumoscope.__file__).parent
    ours = {
        path.relative_to(package)
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.parent.parent.name != "bundles"
    }
    there = {path.relative_to(space / "pneumoscope") for path in (space / "pneumoscope").rglob("*")}
    assert {path for path in there if (space / "pneumoscope" / path).is_file()} == ours
    assert not [path for path in there if path.name == "__pycache__"]
    _, different, missing = filecmp.cmpfiles(package, space / "pneumoscope", map(str, ours), shallow=False)
    assert (different, missing) == ([], [])


def test_shipped_bundle_is_the_default(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("export-space").status == 0
    assert open_bundle(Path("space/bundle")).sha256 == open_bundle(find_bundle()).sha256


def test_header_is_what_the_hub_takes(space: Path) -> None:
    said = header(space)
    assert said["sdk"] == "gradio"
    assert said["sdk_version"] == version("gradio")
    assert said["python_version"] in SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert (space / str(said["app_file"])).is_file()
    assert said["license"] == PYPROJECT["project"]["license"].lower()
    assert 0 < len(str(said["short_description"])) <= 60
    assert {said["colorFrom"], said["colorTo"]} <= COLOURS
    links = re.findall(r"\]\(([^)]+)\)", (space / "README.md").read_text(encoding="utf-8"))
    assert len(links) == 2
    assert all((space / link).is_file() for link in links)


def test_requirements_are_those_of_the_page(space: Path) -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = [*PYPROJECT["project"]["dependencies"], *extras["web"], *extras["sample"]]
    found = requirements((space / "requirements.txt").read_text(encoding="utf-8"))
    assert set(found) == {Requirement(line).name for line in wanted}
    for line in wanted:
        name = Requirement(line).name
        assert version(name) in found[name].specifier
        assert name == "gradio" or set(Requirement(line).specifier) < set(found[name].specifier)
    assert not {name for name in found if "torch" in name or "opencv" in name}


def test_requirements_leave_room_for_the_gradio_of_spaces(space: Path) -> None:
    """Spaces asks for gradio[oauth,mcp] in the same call of pip, and its extras cap packages."""
    found = requirements((space / "requirements.txt").read_text(encoding="utf-8"))
    shared = [one for one in map(Requirement, requires("gradio") or ()) if one.name in found]
    assert {"pydantic", "numpy", "pillow"} <= {one.name for one in shared}
    for one in shared:
        both = one.specifier & found[one.name].specifier
        named = [each.version for each in both] + [version(one.name)]
        assert list(both.filter(named)), f"no version of {one.name} is in {both}"


def test_hub_stores_weights_as_large_files_and_changes_no_byte(space: Path) -> None:
    subprocess.run(["git", "init", "--quiet", space], check=True)
    asked = [
        "git",
        "-C",
        str(space),
        "check-attr",
        "filter",
        "text",
        "--",
        "bundle/model.onnx",
        "bundle/card.json",
    ]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "bundle/model.onnx: filter: lfs",
        "bundle/model.onnx: text: unset",
        "bundle/card.json: filter: unspecified",
        "bundle/card.json: text: unset",
    ]


def test_older_space_is_replaced_and_its_history_kept(run: Run, space: Path) -> None:
    (space / ".git").mkdir()
    (space / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (space / "pneumoscope" / "gone.py").write_text("")
    (space / "app.py").write_text("")
    outcome = run("export-space", "--out", space, "--model", space / "bundle")
    assert outcome.status == 0
    assert {path.name for path in space.iterdir()} == {*ENTRIES, ".git"}
    assert (space / ".git" / "HEAD").is_file()
    assert not (space / "pneumoscope" / "gone.py").exists()
    assert (space / "app.py").read_text().startswith('"""The web page')
    open_bundle(space / "bundle")


def test_fresh_clone_of_a_space_is_filled(run: Run, tiny: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / ".git").mkdir(parents=True)
    (clone / ".gitattributes").write_text("*.bin filter=lfs\n")
    (clone / "README.md").write_text("---\ntitle: New\nsdk: gradio\n---\n")
    assert run("export-space", "--out", clone, "--model", tiny).status == 0
    assert header(clone)["title"] == "Pneumoscope"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"thesis.tex": ""}, "thesis.tex is no part of a Space"),
        ({"README.md": "# My project\n"}, "is no Gradio Space"),
        ({"README.md": "---\nsdk: docker\n---\n"}, "is no Gradio Space"),
        ({"README.md": "# No header\n---\nsdk: gradio\n---\n"}, "is no Gradio Space"),
        ({"app.py": "print()\n"}, "is no Gradio Space"),
    ],
)
def test_folder_of_somebody_else_is_left_alone(
    run: Run, tiny: Path, tmp_path: Path, files: dict[str, str], named: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    outcome = run("export-space", "--out", folder, "--model", tiny)
    assert outcome.status == 2
    assert named in outcome.err
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_what_cannot_be_a_folder_is_said(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "space"):
        outcome = run("export-space", "--out", out, "--model", tiny)
        assert outcome.status == 2
        assert f"{out} cannot be" in outcome.err


def test_altered_bundle_is_not_exported(run: Run, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "altered")
    (tmp_path / "altered" / "card.json").write_text("{}")
    outcome = run("export-space", "--out", tmp_path / "space", "--model", tmp_path / "altered")
    assert outcome.status == 1
    assert not (tmp_path / "space").exists()


def _not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def test_missing_gradio_is_said() -> None:
    with pytest.raises(MissingExtraError, match=r"gradio is not installed; run: .*pneumoscope\[web\]"):
        space_texts(_not_installed)


def test_sample_need_not_be_installed() -> None:
    def installed(name: str) -> str:
        return _not_installed(name) if name == "pydicom-data" else version(name)

    lines = space_texts(installed)["requirements.txt"].splitlines()
    assert "pydicom-data>=1.0" in lines
    assert set(lines) ^ set(space_texts()["requirements.txt"].splitlines()) == {
        "pydicom-data>=1.0",
        "pydicom-data>=1.0,<2",
    }


def test_package_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscope.web.space.requires", _not_installed)
    with pytest.raises(UsageError, match="without being installed"):
        space_texts()


def test_copy_in_the_repository_is_what_the_command_writes() -> None:
    """Without package and bundle, which are in the repository already; versions of constraints.txt."""
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    pinned = {re.sub("[-_.]+", "-", name).lower(): number for name, number in pinned.items()}
    expected = space_texts(lambda name: pinned[re.sub("[-_.]+", "-", name).lower()])
    folder = ROOT / "deploy" / "space"
    found = {name: (folder / name).read_text(encoding="utf-8") for name in expected}
    assert found == expected, "run: pneumoscope export-space --out deploy/space"
    tracked = subprocess.run(
        ["git", "ls-files", "--", "."], cwd=folder, capture_output=True, text=True, check=True
    )
    assert set(tracked.stdout.split()) == set(expected)
