# The processes of Plumbline: listener, worklist API, workers, beat. Which one it is, the command says.

FROM node:24.19.0-bookworm-slim AS pages
WORKDIR /build
COPY services/worklist_api/web/ ./
RUN npm ci && npm run build

FROM python:3.11.9-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/plumbline \
 && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
 && python -m pip install --no-cache-dir --require-hashes --requirement uv.txt
COPY src src
COPY services services
COPY --from=pages /build/dist services/worklist_api/web/dist
COPY workers workers
# Only what runs is installed; the lock holds each package to its version and hash, and the build backend too.
# Traces are in the image, so that a site has them by a setting alone; nothing of them is loaded until then.
RUN uv pip install --no-cache --python /opt/plumbline/bin/python \
      --constraint requirements.lock --build-constraint requirements.lock ".[tracing]"

FROM python:3.11.9-slim-bookworm
# pg_dump and pg_restore, for plumbline backup; point updates of Debian's release are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 plumbline \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin plumbline \
 && install --directory --owner=10001 --group=10001 /var/lib/plumbline /run/metrics
COPY --from=build /opt/plumbline /opt/plumbline
ENV PATH=/opt/plumbline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/plumbline
USER 10001:10001
CMD ["plumbline", "--help"]
