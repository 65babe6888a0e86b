"""Opening a socket, and what its end means: when to come back, or why not."""

from __future__ import annotations

import re

import websockets
from websockets.asyncio.client import ClientConnection, connect

from plaza.client.backoff import Backoff
from plaza.client.errors import Failed, LineClosed, SessionOver, Unreachable
from plaza.client.events import Down
from plaza.client.frames import Close
from plaza.client.models import Ticket
from plaza.client.transport import Transport

SUBPROTOCOL = "plaza.v1.msgpack"
_OPEN_S, _CLOSE_S = 10.0, 1.0
_FLOOD_S = 10.0


class Dialling:
    def __init__(self, transport: Transport, *, binary: bool) -> None:
        self._transport = transport
        self._subprotocols = [websockets.Subprotocol(SUBPROTOCOL)] if binary else None
        self._token = ""
        self._was_turned_away = False
        self.backoff = Backoff()

    async def dial(self) -> ClientConnection:
        """By a ticket; by the access token where no tickets are to be had. Raises PlazaErrors."""
        self._token = await self._transport.session.access_token()
        url, headers = re.sub("^http", "ws", self._transport.base_url) + "/ws", {}
        try:
            asking = self._transport.ask("POST", "/api/v1/auth/ws-ticket", Ticket, repeatable=False, patience_s=0)
            url += f"?ticket={(await asking).ticket}"
        except Failed:
            headers = {"Authorization": f"Bearer {self._token}"}
        try:
            return await connect(
                url,
                additional_headers=headers,
                subprotocols=self._subprotocols,
                open_timeout=_OPEN_S,
                close_timeout=_CLOSE_S,
                ping_interval=None,  # a line that is left unread on purpose would not hear the answer
                max_size=None,
                compression=None,
            )
        except (OSError, TimeoutError, websockets.InvalidHandshake) as error:
            raise Unreachable("UNREACHABLE", repr(error)) from error

    def is_in(self) -> None:
        self._was_turned_away = False

    async def pause_after(self, end: Down) -> float:
        """In seconds. Raises SessionOver or LineClosed where there is no coming back."""
        match end.code:
            case Close.RESTART:
                told = re.fullmatch(r"retry_ms=(\d+)", end.reason)
                return int(told[1]) / 1000 if told else self.backoff.next_s()
            case Close.SLOW_READER:
                return 0
            case Close.UNAUTHENTICATED if not self._was_turned_away:
                # Tickets get lost, and tokens grow stale: trying once more tells both from an end.
                self._was_turned_away = True
                if (tokens := self._transport.session.tokens) is not None and tokens.refresh_token is not None:
                    await self._transport.session.renew(self._token)
                return 0
            case Close.UNAUTHENTICATED | Close.SESSION_ENDED:
                raise SessionOver(end.reason or "SESSION_ENDED", "The line was closed.", status=end.code)
            case Close.FLOOD:
                return self.backoff.next_s(_FLOOD_S)
            case code if 4000 <= code < 5000:
                name = Close(code).name if code in set(Close) else "CLOSED"
                raise LineClosed(name, end.reason, status=code)
        return self.backoff.next_s()
