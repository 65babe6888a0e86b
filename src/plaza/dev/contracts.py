"""import-linter's contract for faces: of another context only the package itself is imported.

`from plaza.chat import MessageService`, never `from plaza.chat.service import ...`.
"""

from __future__ import annotations

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class FaceContract(Contract):
    """`open` packages show all of their modules (core, the published language); `readers` may look into any (app's registry)."""

    root = fields.StringField()
    open = fields.SetField(subfield=fields.StringField())
    readers = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        open_packages: Any = self.open
        readers: Any = self.readers
        found = []
        for context in graph.find_children(str(self.root)) - open_packages:
            for room in graph.find_descendants(context):
                for importer in graph.find_modules_that_directly_import(room):
                    outside = importer != context and not importer.startswith(f"{context}.")
                    if outside and not any(
                        importer == reader or importer.startswith(f"{reader}.") for reader in readers
                    ):
                        found.append((importer, room))
        return ContractCheck(kept=not found, metadata={"found": sorted(found)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, room in check.metadata["found"]:
            output.print_error(f"{importer} imports {room}: import its package instead")
