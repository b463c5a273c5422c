"""What holds for every module of the package."""

import ast
from pathlib import Path

import pytest

import pneumoscope

PACKAGE = Path(pneumoscope.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def assigned_names(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that a module assigns at its top level, with the last value."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def defined_names(tree: ast.Module) -> set[str]:
    """Names that importing a module binds, now or when they are first asked for."""
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = {node.name for node in tree.body if isinstance(node, definitions)} | set(assigned_names(tree))
    for_types = (inner for node in tree.body if isinstance(node, ast.If) for inner in node.body)
    for node in (*tree.body, *for_types):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_and_offers(module: str) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if all(isinstance(node, ast.Expr) for node in tree.body):
        return
    offered = ast.literal_eval(assigned_names(tree)["__all__"])
    assert set(offered) <= defined_names(tree)
    assert len(offered) == len(set(offered))
    assert not [name for name in offered if name.startswith("_") and name != "__version__"]
