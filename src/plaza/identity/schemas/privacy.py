"""Taking one's data along, pausing, leaving."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from plaza.core.messages import JobPayload
from plaza.core.schemas import Input, View
from plaza.identity.models import ExportStatus


class DeactivateInput(Input, frozen=True, kw_only=True):
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class ErasureView(View, frozen=True, kw_only=True):
    """`id` is that of the certificate to come."""

    id: UUID
    status: Literal["queued"] = "queued"


class ExportProblem(View, frozen=True, kw_only=True):
    code: str
    detail: str


class ExportView(View, frozen=True, kw_only=True):
    """`url` once it is done: good for some hours, and asked for anew as long as the export is kept. `problem` where it failed."""

    id: UUID
    status: ExportStatus
    url: str | msgspec.UnsetType = msgspec.UNSET
    problem: ExportProblem | msgspec.UnsetType = msgspec.UNSET


class CertificateStep(View, frozen=True, kw_only=True):
    context: str
    counts: dict[str, int]
    finished_at: datetime


class Certificate(View, frozen=True, kw_only=True):
    """What was erased where, and when. `user_id` is of somebody whom nobody knows any more."""

    id: UUID
    user_id: UUID
    erase_texts: bool
    requested_at: datetime
    completed_at: datetime
    steps: list[CertificateStep]


class EraseNext(JobPayload, frozen=True, kw_only=True, tag="identity.erase_next"):
    erasure_id: UUID


class MakeExport(JobPayload, frozen=True, kw_only=True, tag="identity.make_export"):
    export_id: UUID


class RemoveExports(JobPayload, frozen=True, kw_only=True, tag="identity.remove_exports"):
    keys: list[str]
