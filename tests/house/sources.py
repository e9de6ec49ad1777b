"""Where the project's own files are, and how the house tests read them.

Owns the walk over the tree and the reading of imports. Knows no rule: what a file may contain is
said in the tests beside this one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PRODUCT = ("actors", "transport")
"""What is installed."""

PYTHON = (*PRODUCT, "tests", "benchmarks")
"""Every folder with Python in it."""

_NOT_OURS = ("__pycache__", "node_modules", "build", "dist")
_TEXT = frozenset(
    {"", ".cfg", ".css", ".html", ".js", ".json", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
)
_HIDDEN_BUT_OURS = frozenset({".ci", ".gitignore", ".pre-commit-config.yaml"})


def python_files(*folders: str, root: Path = ROOT) -> Iterator[Path]:
    """Every `.py` file below `folders`, sorted; a folder that does not exist has none."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            if not set(path.relative_to(root).parts) & set(_NOT_OURS):
                yield path


def text_files(root: Path = ROOT) -> Iterator[Path]:
    """Every text file of the project, sorted: what is written by hand, and kept results."""
    for top in sorted(root.iterdir()):
        if top.name.startswith(".") and top.name not in _HIDDEN_BUT_OURS:
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            parts = path.relative_to(root).parts
            if set(parts) & set(_NOT_OURS) or any(part.endswith(".egg-info") for part in parts):
                continue
            if path.is_file() and (path.suffix in _TEXT or path.name in _HIDDEN_BUT_OURS):
                yield path


def shown(path: Path, root: Path = ROOT) -> str:
    """The path as messages name it: from the root, with forward slashes."""
    return path.relative_to(root).as_posix()


def module_name(path: Path, root: Path = ROOT) -> str:
    """The dotted name that `path` is imported by; a package's is that of its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that `source` imports, in functions and type-only blocks too.

    `from a.b import c` is given as `a.b.c`, since `c` may be a module; a relative import keeps its
    dots.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}" if node.module else origin + alias.name
