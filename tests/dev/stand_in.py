"""Small children in place of the API and the worker: `plaza up` is about keeping children, whatever they are.

stand_in.py up ROOT PORT [STATUS]   the supervisor over them; STATUS is the exit status of its preparation
stand_in.py serve PORT              answers /health
stand_in.py seed ROOT PORT          notes whether it ran before or after the one that answers
stand_in.py work ROOT               waits; with STUBBORN in its environment SIGTERM does not end it
"""

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from plaza.dev.embedded import ServerUrls
from plaza.dev.up import Command, Plan, run


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr is the supervisor's."""


def command(*words: str) -> list[str]:
    return [sys.executable, os.path.abspath(__file__), *words]  # noqa: PTH100 - as it is in the process table


def plan(root: Path, port: int, status: int) -> Plan:
    urls = ServerUrls(os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) if "DATABASE_URL" in os.environ else None
    return Plan(
        root=root,
        host="127.0.0.1",
        port=port,
        urls=urls,
        preparations=[Command("preparation", [sys.executable, "-c", f"raise SystemExit({status})"], "preparing")],
        seeding=Command("seeding", command("seed", str(root), str(port)), "seeding"),
        programs=[Command("api", command("serve", str(port))), Command("worker", command("work", str(root)))],
        welcome="welcome\n",
    )


def main() -> int:
    match sys.argv[1:]:
        case ["up", root, port, *status]:
            return run(Path(root), lambda root: plan(root, int(port), int(status[0]) if status else 0))
        case ["serve", port]:
            HTTPServer(("127.0.0.1", int(port)), Health).serve_forever()
        case ["seed", root, port]:
            with socket.socket() as probe, (Path(root) / "seeded").open("a") as file:
                file.write("before\n" if probe.connect_ex(("127.0.0.1", int(port))) else "after\n")
        case ["work", root]:
            if "STUBBORN" in os.environ:
                signal.signal(signal.SIGTERM, lambda *_: None)
            (Path(root) / "urls").write_text(f"{os.environ['DATABASE_URL']}\n{os.environ['REDIS_URL']}\n")
            while True:
                signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
