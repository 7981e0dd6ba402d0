"""Runs in build/peers: what the official package's realtime types are.

Reads a JSON list of names on stdin. Writes for each that the package still has: the constants that its `type`
allows, and its fields; or null in place of both for a union.
"""

import json
import sys
import typing

import openai.types.realtime as official


def constants(annotation):
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [text for part in typing.get_args(annotation) for text in constants(part)]


def describe(found):
    fields = getattr(found, "model_fields", None)
    if fields is None:
        return None
    kinds = constants(fields["type"].annotation) if "type" in fields else []
    return {"type": kinds, "fields": [field.alias or name for name, field in fields.items()]}


names = [name for name in json.load(sys.stdin) if hasattr(official, name)]
json.dump({name: describe(getattr(official, name)) for name in names}, sys.stdout)
