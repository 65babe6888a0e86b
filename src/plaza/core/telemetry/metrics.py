"""Prometheus metrics of the mechanisms. Labels are bounded: route templates, job names, codes; never ids."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Seconds; 5 ms steps where our own paths lie, up to the request deadline.
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter("plaza_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("plaza_http_request_seconds", "Time to answer", ["method", "route"], buckets=_LATENCY)
IN_FLIGHT = Gauge("plaza_http_requests_in_flight", "HTTP requests being answered")

TRANSACTION_RETRIES = Counter("plaza_transaction_retries_total", "Transactions started afresh after a conflict")
DEADLOCKS = Counter("plaza_deadlocks_total", "Deadlocks: each one is a bug in the order of locks")

JOBS = Counter("plaza_jobs_total", "Jobs ended", ["name", "outcome"])
JOB_SECONDS = Histogram("plaza_job_seconds", "Time a job ran", ["name"], buckets=_LATENCY)
JOBS_WAITING = Gauge("plaza_jobs_waiting", "Jobs that could run now", ["queue"])
JOBS_DEAD = Gauge("plaza_jobs_dead", "Jobs given up", ["queue"])

SOCKETS = Gauge("plaza_sockets", "Open sockets")
FRAMES_SENT = Counter("plaza_frames_sent_total", "Frames written to sockets")
FRAMES_HEALED = Counter("plaza_frames_healed_total", "Frames read from the log because no wake-up brought them")
SLOW_READERS = Counter("plaza_slow_readers_total", "Sockets closed because their queue was full")
