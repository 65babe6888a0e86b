"""A context whose only business is to leave a trace of every effect, and to fail as it is told."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from plaza.core.composition import Context
from plaza.core.correlation import causation_id, correlation_id
from plaza.core.crypto import Sealed
from plaza.core.db import Database
from plaza.core.errors import NotFound, RateLimited, Unavailable
from plaza.core.ids import uuid7
from plaza.core.jobs import cron, handles, job
from plaza.core.messages import DomainEvent, JobPayload
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, outside

# Lets a worker be killed in the middle of something.
PAUSE_S = float(os.environ.get("PROBE_PAUSE_S", "0"))

TABLES = (
    "create table if not exists test_effect (id bigint generated always as identity, name text, value text, cause text)",
    "create table if not exists test_call (id bigint generated always as identity, value text)",
)


class Note(JobPayload, frozen=True, kw_only=True, tag="probe.note"):
    value: str
    fails: str = ""
    secret: Sealed[str] | None = None


class Journey(JobPayload, frozen=True, kw_only=True, tag="probe.journey"):
    value: str
    fails: str = ""


class Patient(JobPayload, frozen=True, kw_only=True, tag="probe.patient"):
    """Its handler says how long it waits between its tries."""

    value: str


class Careless(JobPayload, frozen=True, kw_only=True, tag="probe.careless"):
    """Its handler calls two commands."""


class Idle(JobPayload, frozen=True, kw_only=True, tag="probe.idle"):
    """Its handler calls no command at all."""


class Happened(DomainEvent, frozen=True, kw_only=True, tag="probe.happened"):
    subject: UUID
    value: str

    def aggregate(self) -> tuple[str, str]:
        return "subject", str(self.subject)


class ProbeService(Service):
    """`gate`, where set, holds `write` open inside its transaction; `broken` are failures by value, taken one by one: those of "lost x"

    are of the connection to PostgreSQL.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.calls: list[str] = []
        self.broken: dict[str, int] = {}

    async def effect(self, name: str, value: str) -> None:
        await self.db.session.execute(
            text("insert into test_effect (name, value, cause) values (:name, :value, :cause)"),
            {"name": name, "value": value, "cause": f"{correlation_id()} {causation_id()}"},
        )

    @command(NotFound, RateLimited, Unavailable)
    async def write(self, name: str, value: str, fails: str = "") -> ServiceResult[UUID]:
        await self.effect(name, value)
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(PAUSE_S)
        if self.broken.get(value, 0) > 0:
            self.broken[value] -= 1
            raise RuntimeError(f"broke on {value}")
        if self.broken.get(f"lost {value}", 0) > 0:
            self.broken[f"lost {value}"] -= 1
            await self.db.session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        if fails == "refused":
            return failure(NotFound())
        if fails == "later":
            return failure(RateLimited(retry_after=90))
        if fails == "away":
            return failure(Unavailable(retry_after=90))
        return success(uuid7())

    @command(NotFound, Unavailable)
    async def announce(self, *events: DomainEvent) -> ServiceResult[None]:
        for event in events:
            self.db.publish(event)
        return success(None)

    @command(NotFound, Unavailable)
    async def request(
        self, *payloads: JobPayload, fails: bool = False, key: str | None = None, at: datetime | None = None
    ) -> ServiceResult[None]:
        for payload in payloads:
            self.db.enqueue(payload, key=key, at=at)
        return failure(NotFound()) if fails else success(None)

    @outside
    async def call(self, value: str) -> None:
        """Somebody else's server: what reached it stays, whatever becomes of us."""
        async with self.db.engine.begin() as connection:
            await connection.execute(text("insert into test_call (value) values (:value)"), {"value": value})
        self.calls.append(value)

    @flow(write)
    async def travel(self, value: str) -> ServiceResult[UUID]:
        """A command, a call outside, a command that is given what the first one answered."""
        started = (await self.write("started", value)).unwrap()
        await self.call(value)
        if self.broken.get(f"outside {value}", 0) > 0:
            self.broken[f"outside {value}"] -= 1
            raise ConnectionResetError("no answer")
        await asyncio.sleep(PAUSE_S)
        return await self.write("arrived", str(started))


@job(attempts=3)
async def note(payload: Note, probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.write("note", payload.value, payload.fails)


@job(queue="far", attempts=3, outside=True)
async def journey(payload: Journey, probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.travel(payload.value)


@job(pauses=(timedelta(minutes=1), timedelta(minutes=10)))
async def patient(payload: Patient, probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.write("patient", payload.value)


@job(attempts=1)
async def careless(_: Careless, probe: ProbeService) -> ServiceResult[UUID]:
    await probe.write("first", "careless")
    return await probe.write("second", "careless")


@job()
async def idle(_: Idle) -> ServiceResult[None]:
    return success(None)


@handles(Happened)
async def count(event: Happened, probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.write("count", event.value)


@handles(Happened, attempts=2)
async def tell(event: Happened, probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.write("tell", event.value)


@cron(hour=3, minute=10)
async def tidy(probe: ProbeService) -> ServiceResult[UUID]:
    return await probe.write("tidy", "")


context = Context(
    name="probe",
    services=(ProbeService,),
    jobs=(note, journey, patient, careless, idle),
    event_handlers=(count, tell),
    crons=(tidy,),
)


async def empty_tables(db: Database) -> None:
    async with db.engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
        await connection.execute(text("truncate core_job, core_job_step, core_idempotency, test_effect, test_call"))
