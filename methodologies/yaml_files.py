"""YAML files as this package reads them: by the C loader, bounded, one mapping, no key twice."""

from pathlib import Path
from typing import Any

import yaml

from methodologies.errors import PackError

MAX_BYTES = 262_144


class _Loader(yaml.CSafeLoader):
    """The C loader, refusing a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return mapping


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises `PackError` where there is none."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise PackError(path, "", "文件过大", f"the file is over {MAX_BYTES} bytes")
        found = yaml.load(data, _Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise PackError(path, "", "文件读不到", f"the file cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, PackError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise PackError(path, "", f"不是合规的 YAML{line}", f"not valid YAML{line}: {problem}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise PackError(path, "", "文件须为一个映射", "the file must be one mapping with text keys")
    return found
