"""Google, Apple and GitHub as somebody else understands them: `emulate` (npm), where it is installed.

Run it with PLAZA_TEST_EMULATE="<node> <folder>/node_modules/emulate/dist/index.js"; it is pinned to 0.12.2.
"""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.identity.outside import APPLE_KEY, AUTH, HOME
from tests.identity.provider import query_of
from tests.support.callers import Callers, callers
from tests.support.stage import Stage
from tests.support.waiting import eventually

COMMAND = os.environ.get("PLAZA_TEST_EMULATE", "")
pytestmark = pytest.mark.skipif(not COMMAND, reason="PLAZA_TEST_EMULATE names no emulate")

SECRET = "the client's secret"


def seed() -> dict[str, object]:
    def client(provider: str, id: str, **more: str) -> dict[str, object]:
        return {"client_id": id, "name": "Plaza", "redirect_uris": [f"{HOME}{AUTH}/oauth/{provider}/callback"], **more}

    ada = {"email": "ada@example.com", "name": "Ada Lovelace"}
    return {
        "google": {
            "users": [{**ada, "email_verified": True}],
            "oauth_clients": [client("google", "plaza", client_secret=SECRET)],
        },
        "apple": {"users": [ada], "oauth_clients": [client("apple", "plaza.services", team_id="TEAM123456")]},
        "github": {"users": [{**ada, "login": "ada"}], "oauth_apps": [client("github", "plaza", client_secret=SECRET)]},
    }


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Google's; Apple's and GitHub's follow it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(seed()))
    given = ("start", "--service", "google,apple,github", "--seed", str(file), "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        *shlex.split(COMMAND), *given, "--host", "127.0.0.1", cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: is_up(port + 2))
        yield port
    finally:
        process.terminate()
        await process.wait()


async def is_up(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
async def api(plaza: Stage, port: int) -> AsyncIterator[Callers]:
    given = {
        "PUBLIC_URL": HOME,
        "IDENTITY_OAUTH_GOOGLE_CLIENT_ID": "plaza",
        "IDENTITY_OAUTH_GOOGLE_CLIENT_SECRET": SECRET,
        "IDENTITY_OAUTH_GOOGLE_ISSUER": f"http://localhost:{port}",
        "IDENTITY_OAUTH_APPLE_CLIENT_ID": "plaza.services",
        "IDENTITY_OAUTH_APPLE_TEAM_ID": "TEAM123456",
        "IDENTITY_OAUTH_APPLE_KEY_ID": "KEY1234567",
        "IDENTITY_OAUTH_APPLE_PRIVATE_KEY": APPLE_KEY.as_pem(private=True).decode().replace("\n", "\\n"),
        "IDENTITY_OAUTH_APPLE_ISSUER": f"http://localhost:{port + 1}",
        "IDENTITY_OAUTH_GITHUB_CLIENT_ID": "plaza",
        "IDENTITY_OAUTH_GITHUB_CLIENT_SECRET": SECRET,
        "IDENTITY_OAUTH_GITHUB_URL": f"http://localhost:{port + 2}",
        "IDENTITY_OAUTH_GITHUB_API_URL": f"http://localhost:{port + 2}",
    }
    async with callers(plaza, **{f"PLAZA_{name}": value for name, value in given.items()}) as api:
        yield api


async def consented(url: str) -> tuple[str, dict[str, str]]:
    """Her button on the provider's page is pressed: the address that it leads to, and the form that is posted there, if one is."""
    async with httpx.AsyncClient() as http:
        page = await http.get(url)
        assert page.status_code == 200, page.text
        action, fields = form_of(page.text)
        answer = await http.post(urljoin(url, action), data=fields)
        if "location" in answer.headers:
            return answer.headers["location"], {}
        return form_of(answer.text)


def form_of(page: str) -> tuple[str, dict[str, str]]:
    """Ada's, where there are several."""
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    form = next((each for each in forms if "ada@example.com" in each), forms[0])
    (action,) = re.findall(r"<form[^>]*action=\"([^\"]*)\"", form)
    fields = {}
    for field in re.findall(r"<(?:input|button)[^>]*>", form):
        given = dict(re.findall(r"(\w+)=\"([^\"]*)\"", field))
        if "name" in given:
            fields[given["name"]] = html.unescape(given.get("value", ""))
    return html.unescape(action), fields


@pytest.mark.parametrize("provider", ["google", "apple", "github"])
async def test_people_are_let_in(api: Callers, provider: str) -> None:
    http = api.at()
    http.base_url = httpx.URL(HOME)
    left = await http.get(f"{AUTH}/oauth/{provider}/authorize")
    url, form = await consented(left.headers["location"])
    if form:
        async with api.at() as elsewhere:
            url = (await elsewhere.post(url.removeprefix(HOME), data=form)).headers["location"]
    arrived = await http.get(url)
    answer = await http.post(
        f"{AUTH}/oauth/exchange", json={"code": query_of(arrived.headers["location"]).get("code", "")}
    )
    assert answer.status_code == 200, (arrived.headers["location"], answer.text)
    assert answer.json()["user"]["email"] == "ada@example.com"
    await http.aclose()
