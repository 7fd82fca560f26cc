"""Files that people write in YAML: read into a model, or refused with a line for each mistake."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


def read(path: Path, model: type[Model], failure: type[Exception]) -> Model:
    """The content of a file.

    Args:
        failure: raised if the file cannot be read or something in it is wrong; its message has one
            line per mistake, each of which names the file and the key.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except FileNotFoundError as error:
        raise failure(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise failure(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise failure(f"{path}: line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise failure(f"{path}: is not YAML: {str(error).splitlines()[0]}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise failure("\n".join(_line(path, each) for each in error.errors())) from error


def _line(path: Path, error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"])
    if error["type"] == "extra_forbidden":
        message = "there is no such key"
    elif error["type"] in ("model_type", "dict_type"):
        message = "expected keys with values"
    return f"{path}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, where YAML's usual answer is to forget the first.

    `on` and `off` are words, as in YAML 1.2; PyYAML reads 1.1, where they are true and false.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # no key of ours; the base class says so
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key_node.value} is there twice", problem_mark=key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    letter: [resolver for resolver in resolvers if resolver[0] != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
