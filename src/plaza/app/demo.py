"""The demo people of development: who they are. `plaza.dev.demo` makes them; the front page offers them for logging in."""

from __future__ import annotations

DEMO_PASSWORD = "a quiet place to talk"  # noqa: S105 - public on purpose; demo people exist in development only

# (address, display name)
DEMO_PEOPLE: tuple[tuple[str, str], ...] = (
    ("ada@demo.example", "Ada Lovelace"),
    ("grace@demo.example", "Grace Hopper"),
    ("linus@demo.example", "Linus Pauling"),
    ("maryam@demo.example", "Maryam Mirzakhani"),
    ("chen@demo.example", "Chen-Ning Yang"),
)
