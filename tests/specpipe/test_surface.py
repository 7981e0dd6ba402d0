"""The public names of a generated package, and what breaks programs that use an older one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from specpipe import pipeline
from specpipe.sync import surface
from specpipe.sync.surface import SurfaceChange

from tests.support.rows import each

pytestmark = pytest.mark.slow

MODEL = """
import attrs as _attrs

@_attrs.define(kw_only=True)
class Thing(_Model):
    name: str
    kind: Literal["a"] = "a"
    note: str | None = None
    size: int | None | Unset = UNSET
    key: str | None = _attrs.field(default=None, repr=_masked)
    additional_properties: dict[str, Any] = _attrs.field(init=False)

    def to_dict(self) -> dict[str, Any]:
        return {{}}

def decode_thing(data: Any) -> Any:
    return data
"""
PARAMS = """
class ThingParam(TypedDict):
    name: Required["str"]
    note: NotRequired["str | None"]
"""
OPERATION = """
def sync(thing_id: str, *, client: Client, body: Thing, limit: int | None = None) -> Thing | None:
    return None

async def asyncio(thing_id: str, *, client: Client) -> Response[Thing | Error | None]:
    return None
"""
EVENTS = """
SERVER_EVENTS = EventTable({"thing.made": (".models.thing", "Thing")})
__all__ = ["SERVER_EVENTS"]
def _private(): ...
"""
FILES = {
    "__init__.py": '__all__ = ("Client",)',
    "models/thing.py": MODEL.replace("{{}}", "{}"),
    "models/__init__.py": "",
    "params.py": PARAMS,
    "api/things/make.py": OPERATION,
    "events.py": EVENTS,
    "_http.py": "def private() -> None: ...",
}


def package(folder: Path, **changes: tuple[str, str]) -> surface.Surface:
    """Write the package with texts replaced, by its file without suffix, and return its surface."""
    for name, text in FILES.items():
        old, new = changes.get(name.rpartition("/")[2].removesuffix(".py"), ("", ""))
        assert old in text
        ast.parse(text.replace(old, new) if old else text)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text)
    return surface.read(folder)


@each("file, old, new, name, change, breaking", [
        ("thing", "name: str", "name: str\n    more: int", "M.more", "new required field", True),
        ("thing", "name: str", "name: str\n    more: int | None = None", "M.more", "new field", False),
        ("thing", "    name: str\n", "", "M.name", "field removed", True),
        ("thing", "class Thing", "class Other", "M", "class removed", True),
        ("thing", "= None\n    size", "= UNSET\n    size", "M.note", "default None became UNSET", True),
        ("thing", ' = "a"', "", "M.kind", "default 'a' became (required)", True),
        ("thing", "name: str\n", "name: str | int\n", "M.name", "type str became int | str", False),
        ("thing", "name: str\n", "name: int\n", "M.name", "type str became int", True),
        ("thing", '["a"]', '["a", "b"]', "M.kind",
         "type Literal['a'] became Literal['a'] | Literal['b']", False),
        ("thing", "default=None", "default=UNSET", "M.key", "default None became UNSET", True),
        ("params", 'NotRequired["str | None"]', 'Required["str | None"]', "params.ThingParam.note",
         "default (absent) became (required)", True),
        ("params", '    name: Required["str"]\n', "", "params.ThingParam.name", "key removed", True),
        ("make", ", limit: int | None = None", "", "A.sync.limit", "parameter removed", True),
        ("make", "limit: int | None = None", "limit: int", "A.sync.limit",
         "default None became (required)", True),
        ("make", "thing_id: str, *, client: Client, body", "more: str, thing_id: str, *, client: C, body",
         "A.sync.thing_id", "position 0 became 1", True),
        ("make", "-> Thing | None", "-> Thing | Error | None", "A.sync()",
         "type None | Thing became Error | None | Thing", False),
        ("make", "| Error", "| Error | str", "A.asyncio()",
         "type Response[Error] | Response[None] | Response[Thing] became "
         "Response[Error] | Response[None] | Response[Thing] | Response[str]", False),
        ("make", "async def asyncio", "def asyncio", "A.asyncio", "type async became (none)", True),
        ("events", "thing.made", "thing.done", "events.SERVER_EVENTS[thing.made]", "event removed", True),
        ("events", '"Thing")', '"It")', "events.SERVER_EVENTS[thing.made]", "type Thing became It", True),
    ])  # fmt: skip
def test_a_change_of_the_names_is_found(
    tmp_path: Path, file: str, old: str, new: str, name: str, change: str, breaking: bool
) -> None:
    name = name.replace("M", "models.Thing", 1) if name[0] == "M" else name
    name = name.replace("A.", "api.things.make.") if name[:2] == "A." else name
    rows = surface.compare(package(tmp_path / "old"), package(tmp_path / "new", **{file: (old, new)}))
    assert SurfaceChange(name, change, breaking) in rows
    assert surface.bump(rows) == ("major" if any(row.breaking for row in rows) else "minor")


def test_private_names_and_texts_are_not_part_of_it(tmp_path: Path) -> None:
    old = package(tmp_path / "old")
    assert not any("private" in name or "decode" in name or "additional" in name for name in old)
    new = package(tmp_path / "new", _http=("private", "other"), thing=("decode_thing", "decode_other"))
    assert surface.compare(old, new) == [] and surface.bump([]) == "none"


def test_a_renamed_class_is_an_alias_that_breaks_nothing(tmp_path: Path) -> None:
    old = package(tmp_path / "old")
    renamed = {"models/thing.py": FILES["models/thing.py"].replace("class Thing", "class Item")}
    folder = tmp_path / "new"
    package(folder)
    (folder / "models" / "thing.py").write_text(renamed["models/thing.py"])
    for name in ("api/things/make.py", "events.py", "params.py"):
        (folder / name).write_text(FILES[name].replace("Thing", "Item"))
    new = surface.read(folder)
    assert surface.renames(old, new) == {"Thing": "Item"}
    (folder / "models" / "__init__.py").write_text('_RENAMED: dict[str, str] = {"Thing": "Item"}')
    (folder / "params.py").write_text(
        FILES["params.py"].replace("Thing", "Item")
        + '\n_RENAMED: dict[str, str] = {"ThingParam": "ItemParam"}\n'
    )
    rows = surface.compare(old, surface.read(folder), {"Thing": "Item"})
    assert [row for row in rows if row.breaking] == []


def test_the_surface_of_the_committed_package_is_read() -> None:
    names = surface.read(pipeline.ROOT / "generated" / "realtime_api")
    assert names["models.RealtimeResponse.usage"].default == "None"
    assert names["api.realtime.create_realtime_call.sync.client"].kind == "parameter"
    assert names["params.RealtimeSessionCreateRequestGAParam.model"].kind == "key"
    assert names["events.SERVER_EVENTS[response.done]"].annotation == {"RealtimeServerEventResponseDone"}
    assert surface.larger("minor", "none") == "minor" and surface.larger("minor", "major") == "major"
