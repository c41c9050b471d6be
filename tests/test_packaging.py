"""What holds for the package as a whole: its folders, its arrows, and what it never imports."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BELOW = {
    "search": set(),
    "surrogates": {"search"},
    "methods": {"search"},
    "actors": {"search", "surrogates", "methods"},
    "cluster": {"search", "surrogates", "methods", "actors"},
}
GROUND = {"settings", "storage"}
CLUSTER: dict[str, set[str]] = {
    "settings": set(),
    "storage": set(),
    "on_ray": GROUND,
    "runs": GROUND,
    "profiling": {*GROUND, "runs"},
    "reports": {*GROUND, "runs"},
    "exports": {*GROUND, "runs", "profiling"},
    "training": {*GROUND, "runs", "profiling", "reports", "exports", "on_ray"},
    "lottery": {*GROUND, "runs", "reports", "training", "on_ray"},
}
CLUSTER[""] = set(CLUSTER)
CLUSTER["commands"] = set(CLUSTER)
METHODS: dict[str, set[str]] = {
    "tensors": set(),
    "measuring": set(),
    "": {"tensors"},
    "data": {"", "tensors"},
    "pruning": {"tensors", "measuring"},
    "training": {"tensors", "data"},
    "models": {"", "tensors", "data", "pruning", "measuring"},
    "clad": {"tensors", "data", "pruning", "training"},
    "icpg": {"", "tensors", "measuring", "models"},
}
ROOMS = {"cluster": CLUSTER, "methods": METHODS}
"""The rooms of a folder, and those below each; "" is what stands in the folder itself."""

WITHOUT_TORCH = ["search", "surrogates", "actors", "cluster.commands.cli", "cluster.storage"]


def packages_on_disk() -> Iterator[str]:
    """Every folder with an `__init__.py`, but for the tests, what is built, and what is hidden."""
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [
            name
            for name in inner
            if name not in ("tests", "build", "dist")
            and name[0] not in "._"
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        if "__init__.py" in files:
            yield ".".join(("secateur", *Path(folder).relative_to(ROOT).parts))


PACKAGES = sorted(packages_on_disk())
FILES = {
    ".".join((package, file.stem)): file
    for package in PACKAGES
    for file in sorted(ROOT.joinpath(*package.split(".")[1:]).glob("*.py"))
}
MODULES = [name.removesuffix(".__init__") for name in FILES]


def test_the_packages_that_are_installed_are_the_folders_on_disk():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert sorted(tools["setuptools"]["packages"]) == PACKAGES


def test_there_are_the_five_folders_and_the_root():
    assert {"secateur", *(f"secateur.{folder}" for folder in BELOW)} <= set(PACKAGES)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported_by_its_installed_name(module):
    imported = importlib.import_module(module)
    assert Path(imported.__file__).resolve().is_relative_to(ROOT)


@pytest.mark.parametrize("package", PACKAGES[1:])
def test_a_folders_init_holds_its_docstring_and_no_code(package):
    statements = ast.parse(FILES[f"{package}.__init__"].read_text()).body
    assert len(statements) == 1
    assert isinstance(statements[0], ast.Expr)
    assert isinstance(statements[0].value, ast.Constant)


@cache
def nodes_of(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text())))


def imports_of(module: str) -> Iterator[str]:
    """The full names that a file imports, wherever in it the import stands."""
    package = module.split(".")[:-1]
    for node in nodes_of(FILES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) + 1 - node.level] if node.level else []
            origin = [*home, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)


def folder_of(name: str) -> str:
    """The folder of a full name of ours; the root has none."""
    parts = name.split(".")
    return parts[1] if parts[0] == "secateur" and len(parts) > 1 and parts[1] in BELOW else ""


INNER = [name for name in FILES if folder_of(name)]


@pytest.mark.parametrize("module", INNER)
def test_arrows_only_point_down(module):
    folder = folder_of(module)
    ours = {name for name in imports_of(module) if name.split(".")[0] == "secateur"}
    assert {folder_of(name) for name in ours} <= BELOW[folder] | {folder}


def room_of(name: str) -> str:
    """The room that a full name lies in."""
    room = name.split(".")[2]
    return room if room in ROOMS[folder_of(name)] else ""


@pytest.mark.parametrize("module", [name for name in INNER if folder_of(name) in ROOMS])
def test_arrows_between_rooms_only_point_down(module):
    folder, room = folder_of(module), room_of(module)
    ours = {name for name in imports_of(module) if folder_of(name) == folder}
    assert {room_of(name) for name in ours} <= ROOMS[folder][room] | {room}


def test_every_room_is_known():
    for folder, rooms in ROOMS.items():
        assert {f"secateur.{folder}.{room}".rstrip(".") for room in rooms} == {
            name for name in PACKAGES if f"{name}.".startswith(f"secateur.{folder}.")
        }


@pytest.mark.parametrize("module", INNER)
def test_our_own_folders_are_imported_relatively_and_never_as_top_level_packages(module):
    for node in nodes_of(FILES[module]):
        if isinstance(node, ast.Import):
            absolute = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            absolute = [node.module]
        else:
            continue
        assert not {name.split(".")[0] for name in absolute} & {"secateur", *BELOW}


def imports(module: str, library: str) -> bool:
    return any(name == library or name.startswith(f"{library}.") for name in imports_of(module))


@pytest.mark.parametrize("module", [n for n in FILES if folder_of(n) not in ("actors", "cluster")])
def test_ray_is_known_to_actors_and_cluster_alone(module):
    assert not imports(module, "ray")


@pytest.mark.parametrize(
    "module",
    [name for name in FILES if any(f"{name}.".startswith(f"secateur.{n}.") for n in WITHOUT_TORCH)],
)
def test_what_needs_no_torch_does_not_import_it(module):
    assert not imports(module, "torch")
    assert not imports(module, "torchvision")


@pytest.mark.parametrize("module", FILES)
def test_nothing_is_ever_unpickled(module):
    for library in ("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"):
        assert not imports(module, library)
    for node in nodes_of(FILES[module]):
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) != "torch.load"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            assert "load" not in [alias.name for alias in node.names]


def test_the_checks_see_an_import_wherever_it_stands(tmp_path, monkeypatch):
    (tmp_path / "m.py").write_text(
        "from .candidate import Candidate\n"
        "def f():\n"
        "    from ..cluster import launch\n"
        "    from .. import methods\n"
        "    import torch.nn as nn\n"
    )
    monkeypatch.setitem(FILES, "secateur.search.m", tmp_path / "m.py")
    assert set(imports_of("secateur.search.m")) == {
        "secateur.search.candidate.Candidate",
        "secateur.cluster.launch",
        "secateur.methods",
        "torch.nn",
    }
    assert imports("secateur.search.m", "torch")


def test_importing_the_public_face_loads_nothing_heavy():
    code = "import secateur, sys; print({'torch', 'ray', 'onnx', 'sklearn'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_every_public_name_is_there():
    import secateur

    assert all(getattr(secateur, name) for name in secateur.__all__)
    with pytest.raises(AttributeError, match="no attribute 'prune'"):
        _ = secateur.prune
