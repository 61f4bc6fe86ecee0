"""YAML files that people write: read with the line of every key, so that a mistake can be pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from predictor.errors import ConfigError

# libyaml reads ten times faster where PyYAML was built with it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """Read a YAML file that holds a mapping.

    Returns:
        its values, with all keys as strings, and the line of every key by its path.

    Raises:
        ConfigError: the file is missing or unreadable, is not YAML, is empty, or says a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "give the file with --config, see docs/config.md") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})", "give a YAML text file") from None
    lines: dict[tuple[str, ...], int] = {}
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path} is empty", "see docs/config.md for what belongs in it")
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path} is not a mapping", "write `key: value` lines, see docs/config.md")
        _walk(node, (), path, lines)
        values: dict[str, Any] = _with_string_keys(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {error.problem or error.context}", "correct that line") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}", "write plain UTF-8 text") from None
    finally:
        loader.dispose()
    return values, lines


def _walk(node: yaml.Node, place: tuple[str, ...], path: Path, lines: dict[tuple[str, ...], int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            if inner in lines:
                raise ConfigError(
                    f"{path}:{key.start_mark.line + 1}: {'.'.join(inner)} is said twice", "keep one of them"
                )
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = (*place, str(index))
            lines[inner] = value.start_mark.line + 1
            _walk(value, inner, path, lines)


def _with_string_keys(value: Any) -> Any:
    # YAML reads a run named 10 as a number.
    if isinstance(value, dict):
        return {str(key): _with_string_keys(inner) for key, inner in value.items()}
    return [_with_string_keys(inner) for inner in value] if isinstance(value, list) else value


def prefixes(place: tuple[str, ...]) -> list[tuple[str, ...]]:
    """List a key's path and the paths of what encloses it, innermost first."""
    return [place[:length] for length in range(len(place), 0, -1)]
