"""Fails the test under which something broke that nobody answered for."""

from __future__ import annotations

import logging

import structlog

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.render_to_log_kwargs,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)


class InternalErrors(logging.Handler):
    """Collects log records of level ERROR and above."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []
        self.expected: set[str] = set()

    def install(self) -> None:
        logging.getLogger().addHandler(self)

    def remove(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def expect(self, event: str) -> None:
        """This test breaks something on purpose."""
        self.expected.add(event)

    def clear(self) -> None:
        self.records.clear()
        self.expected.clear()

    def check(self) -> None:
        unexpected = [
            record.getMessage()
            for record in self.records
            if not any(each in record.getMessage() for each in self.expected)
        ]
        assert not unexpected, unexpected
