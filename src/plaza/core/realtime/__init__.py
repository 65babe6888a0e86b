"""Fan-out to sockets: ordered, complete and once, whatever becomes of the messages between processes.

    log       what the context that owns the log provides (TopicLog), and what it tells after a commit (Wake)
    frames    what frames have in common; a server frame, encoded once for all its readers
    transport uvicorn's WebSocket, on which a frame can be written as it stands
    socket    one WebSocket: bounded queue, writer, close codes
    stream    the same over server-sent events
    topics    which socket gets which entry: order, gaps, who joined and left (no input or output)
    bus       the one Redis channel between the processes
    hub       all of it together: sweep, healing, resuming, limits, drain

Its owner sets `hub.log`; `hub.run()` lasts as long as the process.
"""

from plaza.core.realtime.bus import Bus
from plaza.core.realtime.frames import MSGPACK, Frame, Ref, Said, Told
from plaza.core.realtime.hub import Hub
from plaza.core.realtime.log import Head, LogFrame, TopicLog, Wake
from plaza.core.realtime.settings import RealtimeSettings
from plaza.core.realtime.socket import HEARTBEAT_S, Close, Socket
from plaza.core.realtime.stream import EventStream, Positions
from plaza.core.realtime.transport import DirectWebSocket, write_of

__all__ = [
    "HEARTBEAT_S",
    "MSGPACK",
    "Bus",
    "Close",
    "DirectWebSocket",
    "EventStream",
    "Frame",
    "Head",
    "Hub",
    "LogFrame",
    "Positions",
    "RealtimeSettings",
    "Ref",
    "Said",
    "Socket",
    "Told",
    "TopicLog",
    "Wake",
    "write_of",
]
