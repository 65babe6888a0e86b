from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from plaza.core.settings import DEVELOPMENT_SECRET, Environment, PlazaSettings, SettingsError


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
    plaza, mail = read(PLAZA_PORT="9000", DATABASE_URL="x", PLAZA_MAIL_HOSTS="a, b", PLAZA_MAIL_VERIFY="false")
    assert plaza is not None
    assert mail is not None
    assert (plaza.port, plaza.database_url, mail.hosts, mail.verify, mail.tries) == (9000, "x", ("a", "b"), False, 3)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PLAZA_PORT": "eight"}, "PLAZA_PORT='eight'"),
        ({"PLAZA_PORT": "70000"}, "PLAZA_PORT"),
        ({"PLAZA_MAIL_TRIES": "many"}, "PLAZA_MAIL_TRIES='many'"),
        ({"PLAZA_ENV": "staging"}, "PLAZA_ENV='staging'"),
        ({"PLAZA_MAIL_TRYS": "1"}, "PLAZA_MAIL_TRYS is not a setting: did you mean PLAZA_MAIL_TRIES"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**variables)
    assert named in str(raised.value)


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
    (tmp_path / ".plaza" / "servers.env").write_text("DATABASE_URL=embedded\nREDIS_URL=embedded\n")
    (tmp_path / ".env").write_text("DATABASE_URL=from-env-file\nPLAZA_PORT=1111\n")
    monkeypatch.setenv("PLAZA_PORT", "2222")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    environment = Environment.of_process(tmp_path)
    settings = environment.section("", PlazaSettings)
    assert settings is not None
    assert (settings.database_url, settings.redis_url, settings.port) == ("from-env-file", "embedded", 2222)
