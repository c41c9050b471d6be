"""Checked: plain values and YAML files against a model of a configuration; problems are named."""

import difflib
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class ConfigError(ValueError):
    """The configuration is wrong: the message names the key, what was expected and what came."""


class _Yaml(yaml.SafeLoader):
    """Plain values, and 1e-3 is a number, which YAML 1.1 takes for a text."""


class _WrittenYaml(yaml.SafeDumper):
    """Texts that would be read as numbers are quoted."""


for _side in (_Yaml, _WrittenYaml):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


class Section(BaseModel):
    """Keys of a configuration: no others, of these types, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read(path: Path | None, overrides: dict[str, Any]) -> dict[str, Any]:
    """Read a YAML file (None: nothing) and put `key.path: value` overrides over it."""
    values = _read_yaml(path) if path else {}
    for key, value in overrides.items():
        _put(values, key, value)
    return values


def parse_override(text: str, option: str = "--set") -> tuple[str, Any]:
    """Split `key=value`, as an option was given it; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ConfigError(f"{option} expects key=value, got {text!r}")
    try:
        return key, yaml.load(value, _Yaml)
    except yaml.YAMLError as error:
        raise ConfigError(f"{option} {key}: {value!r} is no YAML value") from error


def checked(model: type[Model], values: dict[str, Any], *, source: str) -> Model:
    """Check plain values; every problem is named with its path, the first one in the error."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = _problems(error, model)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{source}: {problems[0]}{more}") from error


def require_folder_name(name: str) -> None:
    """Refuse a name that cannot be a folder's; a ValueError says so."""
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"name must do as the name of a folder, got {name!r}")


def require_at_most_all(least: int | None, workers: int | str) -> None:
    """Refuse more `least_workers` than workers, where these are a number; a ValueError says so."""
    if least is not None and isinstance(workers, int) and least > workers:
        raise ValueError(f"least_workers must be at most workers, {workers}, got {least}")


def require_same(config: Model, known: Model, run: Path) -> None:
    """Refuse a configuration that is not the one that a run was launched with."""
    if found := _first_difference(config, known):
        key, asked, held = found
        raise ValueError(
            f"{run} holds a run with {key} {held!r}, not {asked!r}: choose another --run, or give "
            f"the same configuration again"
        )


def as_yaml(config: BaseModel) -> str:
    """A configuration as a file that gives the same one back."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_WrittenYaml, sort_keys=False)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(), _Yaml)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text file"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "bad syntax"
        raise ConfigError(f"{path} is no YAML{where}: {what}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, got {type(values).__name__}")
    return values


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key}: {section} holds a value, not keys")
    values[last] = value


def _problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Tell of each wrong value once, whatever number of types it might have had."""
    told: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    for entry in error.errors():
        path, valid = _place(model, entry["loc"])
        where = ".".join(path)
        if entry["type"] == "extra_forbidden":
            near = difflib.get_close_matches(path[-1], valid, n=1)
            hint = f"did you mean {near[0]}?" if near else f"valid keys are {', '.join(valid)}"
            told[where] = f"unknown key {where}: {hint}"
            continue
        message = entry["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
        if entry["type"] != "value_error":
            expected.setdefault(where, []).append(message)
            anything = " or ".join(expected[where]).replace(" or should be ", " or ")
            message = f"{anything}, got {entry['input']!r}"
        told[where] = f"{where}: {message}" if where else message
    return list(told.values())


def _place(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The path of a problem, without the names of a union's types, and the keys valid there."""
    path: list[str] = []
    valid: list[str] = []
    types: Sequence[Any] = (model,)
    for part in loc:
        if len(types) > 1:  # `part` names one of them
            types = ()
            continue
        path.append(str(part))
        fields = getattr(types[0], "model_fields", None) if types else None
        valid = list(fields or ())
        if fields is None:  # an entry of a list or a dict
            types = typing.get_args(types[0])[-1:] if types else ()
        else:
            types = _types(fields[part].annotation) if part in fields else ()
    return path, valid


def _types(annotation: Any) -> Sequence[Any]:
    """What a value may be, besides None."""
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [one for one in typing.get_args(annotation) if one is not NoneType]
    return [annotation]


def _first_difference(one: BaseModel, other: BaseModel) -> tuple[str, Any, Any] | None:
    """The first key path at which two configurations differ, and what each has there."""
    for name in type(one).model_fields:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, BaseModel) and isinstance(theirs, BaseModel):
            if found := _first_difference(mine, theirs):
                return f"{name}.{found[0]}", *found[1:]
        elif mine != theirs:
            return name, mine, theirs
    return None
