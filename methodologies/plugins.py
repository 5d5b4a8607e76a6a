"""Methodologies that others ship: installed distributions with entry points of `tanpuhui.methodologies`.

An entry point names a package whose folder holds packs as `methodologies/packs` does. What cannot be
imported is kept with the reason, so that the catalogue refuses it by name and loads the others.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

from methodologies.errors import PackError, unexpected
from methodologies.rules import GROUP, NO_RULES, RuleFunction, Rules

_NO_NAME = "unnamed"
_UNPACKED = "(unpacked)"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A distribution that ships packs in `folders`, with their Python `rules`; or why it is refused already."""

    distribution: str
    version: str
    folders: tuple[Path, ...] = ()
    rules: Rules = field(default_factory=lambda: NO_RULES)
    failure: PackError | None = None

    @property
    def origin(self) -> str:
        """Name and version, such as `tanpuhui-sample 1.0`: where a methodology of it comes from."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class RefusedPlugin:
    """A distribution none of whose methodologies count, and the first thing wrong with it."""

    distribution: str
    version: str
    error: PackError

    @property
    def place(self) -> str:
        """The file, with the JSON pointer of the key where it is YAML, or the line where it is Python."""
        return f"{self.error.path}#{self.error.pointer}" if self.error.pointer else str(self.error.path)


class PackageRules(Mapping[str, RuleFunction]):
    """The functions `module:function` of some packages, each imported when it is asked for.

    Raises `PackError` where the module cannot be imported. They cannot be listed: it iterates over nothing.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        """Take the packages' names; their top levels count, as for a rule that is found again later."""
        self._tops = frozenset(each.partition(".")[0] for each in packages)

    def __getitem__(self, name: str) -> RuleFunction:
        """Return the function; `KeyError` where a package has none of that name."""
        module, _, attribute = name.partition(":")
        if module.partition(".")[0] not in self._tops:
            raise KeyError(name)
        try:
            found = getattr(import_module(module), attribute, None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
                raise KeyError(name) from None
            raise refusal(error, name) from error
        if not callable(found):
            raise KeyError(name)
        function: RuleFunction = found
        return function

    def __iter__(self) -> Iterator[str]:
        """Iterate over nothing."""
        return iter(())

    def __len__(self) -> int:
        """Nothing that could be listed."""
        return 0


def unpacked_plugin(folder: Path) -> Plugin:
    """Return a folder of packs that is not installed, the package that it may be imported. Raises nothing."""
    folder = folder.resolve()
    root = folder
    names: list[str] = []
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    if not names:
        return Plugin(folder.name, _UNPACKED, (folder,))
    package = ".".join(names)
    sys.path.insert(0, str(root))
    plugin = _imported(folder.name, _UNPACKED, {f"package {package}": lambda: import_module(package)})
    if plugin.folders in ((), (folder,)):
        return plugin
    other = PackError(
        folder,
        "",
        f"{package} 是另一个包的名称",
        f"{package} is the name of another package: {plugin.folders[0]}",
    )
    return Plugin(folder.name, _UNPACKED, failure=other)


def installed_plugins() -> list[Plugin]:
    """Return every installed distribution that ships packs, by name, its packages imported. Raises nothing.

    The order is that of the names, whatever the order on the path, so that of two that clash the same one
    is always refused.
    """
    found: dict[str, Plugin] = {}
    for distribution in metadata.distributions():
        if _names_the_group(distribution):
            plugin = _read(distribution)
            # Of one name the first on the path counts: it is the one that Python imports.
            found.setdefault(re.sub(r"[-_.]+", "-", plugin.distribution).lower(), plugin)
    return [plugin for _, plugin in sorted(found.items())]


def refusal(error: BaseException, otherwise: str) -> PackError:
    """Say of any exception what and where it was; `otherwise` is the place where no file shows it."""
    if isinstance(error, PackError):
        return error
    return unexpected(error, _place(error) or otherwise)


def _names_the_group(distribution: metadata.Distribution) -> bool:
    """Look at the text: entry points that cannot be parsed may still be meant for us."""
    try:
        return GROUP in (distribution.read_text("entry_points.txt") or "")
    except (OSError, ValueError):
        return False


def _read(distribution: metadata.Distribution) -> Plugin:
    name, version = _NO_NAME, "?"
    try:
        name, version = distribution.metadata["Name"] or _NO_NAME, distribution.version or "?"
        points = distribution.entry_points.select(group=GROUP)
    except Exception as error:  # noqa: BLE001 - what is broken depends on the release of Python
        where = f"entry points of {name} in {distribution.locate_file('')}"
        return Plugin(name, version, failure=refusal(error, where))
    if name == _NO_NAME:
        where = str(distribution.locate_file(""))
        no_name = PackError(where, "", "其元数据没有名称", "its metadata has no name")
        return Plugin(name, version, failure=no_name)
    return _imported(
        name, version, {f"entry point {point.name} = {point.value}": point.load for point in points}
    )


def _imported(name: str, version: str, packages: Mapping[str, Callable[[], object]]) -> Plugin:
    """Import packages, each given with its place."""
    folders, names = [], []
    place = name
    try:
        for place, load in packages.items():
            package = load()
            folders.append(_folder(package, place))
            names.append(str(getattr(package, "__name__", "")))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - an import may even raise SystemExit
        return Plugin(name, version, failure=refusal(error, place))
    return Plugin(name, version, tuple(folders), PackageRules(names))


def _folder(package: object, place: str) -> Path:
    folders = list(getattr(package, "__path__", ())) if isinstance(package, ModuleType) else []
    if len(folders) != 1 or not Path(folders[0]).is_dir():
        raise PackError(
            place,
            "",
            "入口点须指向一个包，且该包恰有一个文件夹（含 __init__.py，非压缩包）",
            "the entry point must name a package with one folder (with __init__.py, not in an archive)",
        )
    return Path(folders[0])


def _place(error: BaseException) -> str | None:
    """Return file and line of the last Python that ran before the error, the import machinery left out."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [f"{name}:{number}" for name, number in _frames(error) if not _is_machinery(name)]
    return lines[-1] if lines else None


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    return ((frame.f_code.co_filename, number) for frame, number in walk_tb(error.__traceback__))


def _is_machinery(file: str) -> bool:
    return file.startswith("<") or file == __file__ or "importlib" in Path(file).parts
