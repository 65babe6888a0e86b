from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from plaza.core.db import DatabaseSettings
from plaza.core.settings import DEVELOPMENT_SECRET, Environment, PlazaSettings, SettingsError, find_root


class MailSettings(msgspec.Struct, frozen=True):
    tries: int = 3
    hosts: tuple[str, ...] = ()
    verify: bool = True


def read(**variables: str) -> tuple[PlazaSettings | None, MailSettings | None]:
    environment = Environment(variables)
    sections = environment.section("", PlazaSettings), environment.section("mail", MailSettings)
    environment.finish()
    return sections


def test_values_are_read_by_section_and_type() -> None:
    plaza, mail = read(PLAZA_PORT="9000", REDIS_URL="redis://x", PLAZA_MAIL_HOSTS="a, b", PLAZA_MAIL_VERIFY="false")
    assert plaza is not None
    assert mail is not None
    assert (plaza.port, plaza.redis_url) == (9000, "redis://x")
    assert (mail.hosts, mail.verify, mail.tries) == (("a", "b"), False, 3)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PLAZA_PORT": "eight"}, "PLAZA_PORT='eight'"),
        ({"PLAZA_PORT": "70000"}, "PLAZA_PORT"),
        ({"PLAZA_MAIL_TRIES": "many"}, "PLAZA_MAIL_TRIES='many'"),
        ({"PLAZA_ENV": "staging"}, "PLAZA_ENV='staging'"),
        ({"DATABASE_URL": "postgres://db/plaza"}, "DATABASE_URL: database_url must begin with postgresql+asyncpg://"),
        ({"DATABASE_URL": "postgresql://db/plaza"}, "DATABASE_URL: "),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL: redis_url must begin with redis://, rediss://, unix://"),
        ({"PLAZA_MAIL_TRYS": "1"}, "PLAZA_MAIL_TRYS is not a setting: did you mean PLAZA_MAIL_TRIES"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**variables)
    assert named in str(raised.value)


def test_a_replica_is_named_as_the_database_is() -> None:
    with pytest.raises(ValueError, match="replica_url must begin with"):
        DatabaseSettings(replica_url="postgresql://replica/plaza")


def test_all_wrong_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read(PLAZA_PORT="x", PLAZA_MAIL_TRIES="y")
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize("secret", [DEVELOPMENT_SECRET, "short", ""])
def test_production_refuses_development_secrets(secret: str) -> None:
    with pytest.raises(SettingsError, match="PLAZA_SECRET_KEY"):
        read(PLAZA_ENV="production", PLAZA_SECRET_KEY=secret, PLAZA_PUBLIC_URL="https://plaza.example")


def test_a_secret_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as raised:
        read(PLAZA_ENV="production", PLAZA_SECRET_KEY="hunter2hunter2", PLAZA_PUBLIC_URL="https://plaza.example")
    assert "hunter2" not in str(raised.value)


def test_the_environment_wins_over_env_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".plaza").mkdir()
    (tmp_path / ".plaza" / "servers.env").write_text(
        "DATABASE_URL=postgresql+asyncpg://embedded\nREDIS_URL=redis://embedded\n"
    )
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql+asyncpg://from-env-file\nPLAZA_PORT=1111\n")
    monkeypatch.setenv("PLAZA_PORT", "2222")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    environment = Environment.of_process(tmp_path)
    settings = environment.section("", PlazaSettings)
    assert settings is not None
    assert (settings.database_url, settings.redis_url) == ("postgresql+asyncpg://from-env-file", "redis://embedded")
    assert settings.port == 2222


@pytest.mark.parametrize("mark", ["pyproject.toml", ".plaza", ".env"])
def test_the_root_is_the_nearest_marked_folder_upwards(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).touch()
    below = tmp_path / "docs" / "operations"
    below.mkdir(parents=True)
    assert find_root(below) == tmp_path


def test_from_anywhere_else_the_root_is_the_clone_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_root() == Path(__file__).parents[2]


def test_an_installation_without_a_clone_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plaza.core.settings.__file__", str(tmp_path / "lib" / "plaza" / "core" / "settings.py"))
    assert find_root(tmp_path) == tmp_path
