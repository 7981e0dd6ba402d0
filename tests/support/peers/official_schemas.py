"""Runs in build/peers: the JSON Schemas of types of the official package.

Reads a JSON object of labels and places (`module:name`) on stdin; writes the schema of each, without prose.
"""

import importlib
import json
import sys
import warnings

from pydantic import TypeAdapter

PROSE = ("title", "description")


def without_prose(node):
    if isinstance(node, list):
        return [without_prose(one) for one in node]
    if not isinstance(node, dict):
        return node
    # A property may be called title; a title of a schema is text.
    return {
        key: without_prose(value)
        for key, value in node.items()
        if not (key in PROSE and isinstance(value, str))
    }


def schema(place):
    module, _, name = place.partition(":")
    return without_prose(TypeAdapter(getattr(importlib.import_module(module), name)).json_schema())


warnings.simplefilter("ignore")
json.dump({label: schema(place) for label, place in json.load(sys.stdin).items()}, sys.stdout)
