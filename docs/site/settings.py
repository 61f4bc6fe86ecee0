"""The reference of checkpoints.yaml, generated from its pydantic models and their docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from predictor.project import Project
from predictor.scheduling import parse_duration

_ATTRIBUTE = re.compile(r"^        (?=\S)", re.MULTILINE)


def settings_reference() -> str:
    """Return the page: a section for each part of the file, with its keys, their types, defaults and meanings."""
    intro = (
        "# Keys of checkpoints.yaml\n\nGenerated from the models that check the file. "
        "[Configuration](../config.md) shows an example and explains the keys.\n"
    )
    places: dict[type[pydantic.BaseModel], list[str]] = {}
    for path, model in sections(Project, ""):
        places.setdefault(model, []).append(path)
    return "\n\n".join([intro, *(_section(paths, model) for model, paths in places.items())])


def sections(model: type[pydantic.BaseModel], path: str) -> Iterator[tuple[str, type[pydantic.BaseModel]]]:
    """Yield the models that the file is made of, each with the key under which it stands (`families.<name>`)."""
    yield path, model
    for name, field in model.model_fields.items():
        where = f"{path}.{name}" if path else name
        by_name = "dict[" in str(field.annotation)
        for part in _models(field.annotation):
            yield from sections(part, f"{where}.<name>" if by_name else where)


def keys(model: type[pydantic.BaseModel]) -> list[str]:
    """Return the keys that a part of the file may have."""
    return [name for name, field in model.model_fields.items() if not field.exclude]


def _models(annotation: Any) -> list[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _section(paths: list[str], model: type[pydantic.BaseModel]) -> str:
    title = "## " + ", ".join(f"`{path}`" if path else "At the top" for path in paths)
    kinds = getattr(model.model_fields.get("kind"), "annotation", None)
    title += f" with `kind: {get_args(kinds)[0]}`" if get_args(kinds) else ""
    meanings = _meanings(model)
    rows = [
        f"| `{name}` | {_type(model, name)} | {_default(model, name)} | {meanings.get(name, '')} |"
        for name in keys(model)
    ]
    summary = (model.__doc__ or "").split("\n\n")[0].strip()
    return "\n\n".join([title, summary, "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows])])


def _meanings(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each key, under `Attributes:`."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        described = (base.__doc__ or "").partition("Attributes:\n")[2] if issubclass(base, pydantic.BaseModel) else ""
        for entry in _ATTRIBUTE.split(described):
            names, colon, meaning = entry.partition(":")
            if colon:
                text = " ".join(meaning.split("\n\n")[0].split()).replace("|", "\\|")
                found |= {name.strip(): text for name in names.split(",")}
    return found


def _type(model: type[pydantic.BaseModel], name: str) -> str:
    if _is_time(model.model_fields[name]):
        return "seconds, or a time such as `10m`"
    schema = model.model_json_schema()["properties"][name]
    return _words(schema) or "text"


def _is_time(field: FieldInfo) -> bool:
    metadata = [*field.metadata, *(entry for part in get_args(field.annotation) for entry in _metadata(part))]
    return any(getattr(entry, "func", None) is parse_duration for entry in metadata)


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())


def _words(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema or "oneOf" in schema:
        parts = [_words(part) for part in schema.get("anyOf", schema.get("oneOf", [])) if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(part for part in parts if part))
    if "$ref" in schema:
        return "mapping"
    kinds = {"string": "text", "integer": "count", "number": "number", "boolean": "true or false", "object": "mapping"}
    return (
        f"list of {_words(schema.get('items', {})) or 'values'}"
        if schema.get("type") == "array"
        else kinds.get(schema.get("type", ""), "")
    )


def _default(model: type[pydantic.BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or isinstance(value, pydantic.BaseModel) or value in ({}, [], ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
