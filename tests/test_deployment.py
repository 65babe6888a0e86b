"""The containers' files against the tools that know their formats, and against the program that they are for."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prometheus_client.metrics import MetricWrapperBase

from plaza.app.configuration import load
from plaza.core.settings import Environment
from plaza.core.telemetry import metrics

ROOT = Path(__file__).parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = ROOT / "docs" / "operations" / "production.env"
VARIABLES = frozenset(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
REQUIRED = {
    "PLAZA_PUBLIC_URL": "https://plaza.example.com",
    "PLAZA_SECRET_KEY": "0123456789abcdef" * 4,
    "PLAZA_NOTIFICATIONS_SMTP_URL": "smtp://mail:1025",
    "PLAZA_NOTIFICATIONS_SENDER": "no-reply@plaza.example.com",
    "POSTGRES_PASSWORD": "fedcba9876543210" * 2,
    "S3_SECRET_KEY": "fedcba9876543210" * 2,
}

needs_compose = pytest.mark.skipif(
    sys.platform == "linux" and platform.libc_ver()[0] != "glibc", reason="Compose has no wheel for other C libraries"
)


def run(tool: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(tool), *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False)


def compose(**environment: str) -> subprocess.CompletedProcess[str]:
    """The services as Compose understands them, as JSON on stdout; no engine is asked."""
    return run("docker-compose", "--env-file", EXAMPLE, "--profile", "*", "config", "--format", "json", **environment)


@pytest.fixture(scope="module")
def deployment() -> dict[str, Any]:
    made = compose(**REQUIRED)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    made = run("hadolint", "--no-color", "Dockerfile")
    assert (made.returncode, made.stdout) == (0, "")


@needs_compose
def test_every_part_is_among_the_services(deployment: dict[str, Any]) -> None:
    assert set(deployment["services"]) == {
        "nginx",
        "web",
        "worker",
        "migrate",
        "postgres",
        "redis",
        "mail",
        "clamav",
        "s3",
    }


@needs_compose
@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_what_has_no_safe_default_is_asked_for_by_name(missing: str) -> None:
    made = compose(**{name: value for name, value in REQUIRED.items() if name != missing})
    assert made.returncode != 0
    assert f"required variable {missing} is missing a value" in made.stderr


def test_the_example_lists_every_variable_of_the_services() -> None:
    listed = re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(VARIABLES | {"COMPOSE_PROFILES"})


@needs_compose
@pytest.mark.parametrize("service", ["web", "worker", "migrate"])
def test_the_program_accepts_the_settings_that_its_services_get(deployment: dict[str, Any], service: str) -> None:
    configuration = load(Environment(deployment["services"][service]["environment"]))
    assert configuration.plaza.is_production
    assert configuration.plaza.public_url == REQUIRED["PLAZA_PUBLIC_URL"]


@needs_compose
def test_stopping_waits_longer_than_draining(deployment: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        service = deployment["services"][name]
        drain_s = load(Environment(service["environment"])).plaza.drain_s
        assert int(service["stop_grace_period"].removesuffix("s")) > drain_s


@needs_compose
def test_nothing_starts_before_the_database_is_migrated(deployment: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        waits_for = deployment["services"][name]["depends_on"]
        assert waits_for["migrate"]["condition"] == "service_completed_successfully"
    assert deployment["services"]["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


@needs_compose
def test_only_nginx_and_the_mail_catcher_are_reached_from_outside(deployment: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in deployment["services"].items() if "ports" in service}
    assert set(published) == {"nginx", "mail"}
    assert all(port["host_ip"] == "127.0.0.1" for ports in published.values() for port in ports)


def test_the_image_is_built_by_the_uv_that_made_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pinned,) = (each for each in project["optional-dependencies"]["dev"] if each.startswith("uv=="))
    assert f"astral-sh/uv:{pinned.removeprefix('uv==')} " in (ROOT / "Dockerfile").read_text()


def test_the_lock_holds_all_that_the_image_installs() -> None:
    """What it lacked would be installed in any version, with no hash to compare."""
    locked = defaultdict(list)
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        locked[canonicalize_name(name)].append(version)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        versions = locked[canonicalize_name(requirement.name)]
        assert any(requirement.specifier.contains(each, prereleases=True) for each in versions), requirement


def test_operators_find_every_metric_in_the_documents() -> None:
    told = (ROOT / "docs" / "operations" / "observability.md").read_text()
    ours = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    names = [family.name + ("_total" if family.type == "counter" else "") for each in ours for family in each.collect()]
    assert len(names) > 10
    assert [name for name in names if f"| `{name}` |" not in told] == []


def test_the_index_names_every_document() -> None:
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\(([^)]+)\)", (docs / "README.md").read_text()))
    found = {path.relative_to(docs).as_posix() for path in docs.rglob("*.*")}
    assert found - linked == {"README.md"}
