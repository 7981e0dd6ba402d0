"""An API description as the generator has parsed it: what the plan and the templates start from."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from openapi_python_client.config import Config
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.openapi import Endpoint
from openapi_python_client.parser.properties import ModelProperty, Property

from .graph import Graph
from .slice import Slice
from .view import View


@attrs.define
class Parsed:
    """An API description as parsed by the generator.

    Attributes:
        part: The slice that was parsed.
        graph: Its schemas.
        data: What the generator found in the view.
        config: Its settings.
        shown: The view.
    """

    part: Slice
    graph: Graph
    data: GeneratorData
    config: Config
    shown: View

    def operations(self) -> Iterator[tuple[Endpoint, str, str]]:
        """Yield every operation with its path and method, in the description's order."""
        collections = self.data.endpoint_collections_by_tag.values()
        endpoints = {str(one.name): one for collection in collections for one in collection.endpoints}
        for name, (path, method) in self.shown.operations.items():
            if name in endpoints:
                yield endpoints[name], path, method

    def parameters(self, endpoint: Endpoint) -> dict[tuple[str, str], Property]:
        """Return an operation's parameters by location and name, those of the path in its order."""
        keys = self.shown.keys[str(endpoint.name)]
        return {
            (place.value, keys[one.name.get_untrusted_value()]): one
            for place, one in endpoint.iter_all_parameters()
        }

    def properties(self, model: ModelProperty) -> dict[str, Property]:
        """Return a model's properties by JSON key, in the description's order."""
        name = self.shown.classes.get(str(model.class_info.name), str(model.class_info.name))
        keys = self.shown.keys[name]
        every = [*(model.required_properties or ()), *(model.optional_properties or ())]
        found = {keys[one.name.get_untrusted_value()]: one for one in every}
        return {key: found[key] for key in self.graph.schemas[name]["properties"] if key in found}
