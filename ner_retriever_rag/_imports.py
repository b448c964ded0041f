"""Lazy imports: public names that load on first use (PEP 562), and optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def loader(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return a module-level ``__getattr__`` for a package.

    Args:
        package: Name of the package.
        modules: Maps each public name to the submodule that defines it.
    """

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return load


def require(module: str, *, extra: str) -> Any:
    """Import a module that is installed by an extra.

    Args:
        module: Dotted name of the module.
        extra: The extra of this package that installs it.

    Raises:
        ImportError: If it is not installed; the message gives the pip command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        what = f"{name} is not installed" if missing else f"{module} cannot be imported ({error})"
        raise ImportError(f"{what}; run: pip install 'ner-retriever-rag[{extra}]'") from error
