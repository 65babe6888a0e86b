"""`/ws` and `/ws/chat/{conversation_id}`: frames to service calls.

    controller    the routes: who comes in
    codec         frames as they come over the line, checked
    conversation  what one client says, and what is answered

A frame is a command of its own: under its own correlation id, in a task of its own, and the socket itself holds no database connection.
Tasks are started in the order of the frames, and a message is in its lane before its task first waits, so that order is kept.
"""

from plaza.chat.sockets.controller import SocketController

__all__ = ["SocketController"]
