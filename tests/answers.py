"""The answers of `flocker … --json` as a JSON Schema, made of their types.

`.venv/bin/python -m tests.answers` brings docs/answers.schema.json up to date.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from flocker.base import answered_records, answers

FILE = Path(__file__).parents[1] / "docs" / "answers.schema.json"
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

Schema = dict[str, Any]


def schema() -> Schema:
    """The types of all answers, by their names; `format` begins each answer."""
    kinds = {
        name: kind
        for module in (answers, answered_records)
        for name, kind in vars(module).items()
        if is_typeddict(kind)
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "While `format` stays the same, later versions only add fields.",
        "type": "object",
        "properties": {"format": {"const": answers.FORMAT}},
        "required": ["format"],
        "$defs": {name: _answer(kind) for name, kind in sorted(kinds.items())},
    }


def _answer(kind: Any) -> Schema:
    fields = get_type_hints(kind)
    return {
        "description": str(kind.__doc__).partition("\n")[0],
        "type": "object",
        "properties": {name: _value(each) for name, each in fields.items()},
        "required": sorted(kind.__required_keys__),
    }


def _value(kind: Any) -> Schema:
    if is_typeddict(kind):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    inner = get_args(kind)
    match get_origin(kind):
        case None:
            return {"type": NAMES[kind]}
        case found if found is Literal:
            return {"enum": list(inner)}
        case found if found in (Union, UnionType):
            return {"anyOf": [_value(each) for each in inner]}
        case found if found is list:
            return {"type": "array", "items": _value(inner[0])}
        case found if found is dict:
            return {"type": "object", "additionalProperties": _value(inner[1])}
    raise TypeError(kind)


def text() -> str:
    """The file as it has to be."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
