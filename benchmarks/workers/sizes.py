"""Sums up the files of a distribution and of all that it needs; with nothing but the standard library.

Reads a JSON object: `name`, its `extras`, and `roots`, which has the folders of those that are installed
to be edited. Writes, by distribution, the bytes of its files compressed, as in a wheel, and as they are.
"""

import json
import re
import sys
import zlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def needed(name, extras, seen):
    """Collect the names of a distribution and of what it needs."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen and not extras:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    seen[key] = found
    for line in found.requires or ():
        part, _, marker = line.partition(";")
        asked = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        if asked and asked[1] not in extras:
            continue
        if re.search(r"(platform|os_name|implementation|python_version\s*<)", marker):
            continue
        match = re.match(r"\s*([\w.-]+)(?:\[([^\]]*)\])?", part)
        needed(match[1], [extra.strip() for extra in (match[2] or "").split(",") if extra], seen)


task = json.load(sys.stdin)
found = {}
needed(task["name"], task["extras"], found)
sizes = {}
for name, dist in found.items():
    if name in task["roots"]:
        paths = [path for root in task["roots"][name] for path in Path(root).rglob("*")]
    else:
        paths = [Path(str(dist.locate_file(file))) for file in dist.files or ()]
    packed = whole = 0
    for path in paths:
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            packed, whole = packed + len(zlib.compress(content)), whole + len(content)
    sizes[name] = packed, whole
print(json.dumps(sizes))
