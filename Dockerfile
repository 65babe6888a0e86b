# syntax=docker/dockerfile:1

FROM ghcr.io/astral-sh/uv:0.13.8 AS uv

FROM python:3.11-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV VIRTUAL_ENV=/opt/plaza \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# Of the lock only what the program itself needs: it constrains, so that versions and hashes are its own and the extras stay out.
COPY pyproject.toml requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv "$VIRTUAL_ENV" \
    && uv pip install --verify-hashes --only-binary :all: --requirements pyproject.toml --constraints requirements.lock
COPY LICENSE README.md ./
COPY src ./src
RUN --mount=type=cache,target=/root/.cache/uv \
    uv build --wheel --require-hashes --build-constraints requirements.lock \
    && uv pip install --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /app --no-create-home --shell /usr/sbin/nologin plaza \
    && install -d -o plaza -g plaza -m 0700 /var/lib/plaza
COPY --from=build /opt/plaza /opt/plaza
WORKDIR /app
COPY alembic.ini ./
COPY migrations ./migrations
ENV PATH=/opt/plaza/bin:$PATH \
    PLAZA_ENV=production \
    PLAZA_HOST=0.0.0.0 \
    PLAZA_PORT=8000
USER 10001:10001
EXPOSE 8000
# Alive, not ready: a container is not to be replaced because PostgreSQL is away. A worker is asked on its own port.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['PLAZA_PORT']}/health/live\", timeout=4)"]
# plaza serve, plaza worker, plaza migrate ...
ENTRYPOINT ["plaza"]
CMD ["serve"]
