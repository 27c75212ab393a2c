# The one image that every job runs in.

ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS dependencies
ARG UV_VERSION=0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/app/.venv
RUN --mount=type=cache,target=/root/.cache \
    python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet "uv==${UV_VERSION}"
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    /opt/uv/bin/uv sync --frozen --no-dev --no-group embedded --no-install-project
RUN --mount=type=bind,source=docker/slim.sh,target=/opt/slim.sh sh /opt/slim.sh .venv

# Only Shoreline's own files go to /project: the image gets them as a small layer on top of the dependencies. cp -a keeps
# the times that the compiled files refer to.
FROM dependencies AS project
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY jobs jobs
COPY services services
COPY sql sql
RUN --mount=type=cache,target=/root/.cache \
    .venv/bin/python -m compileall -q jobs services \
 && mkdir /project \
 && cp -a jobs services sql pyproject.toml uv.lock README.md LICENSE /project \
 && /opt/uv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --prefix /project/.venv --editable .

FROM ${BASE}
# The package's name pins the client's major version; the newest minor version has its fixes.
RUN --mount=type=bind,source=docker/server.sh,target=/opt/server.sh \
    apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client-17 \
 && sh /opt/server.sh 17 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /usr/share/doc /usr/share/man
# These folders are writable for every user, as /tmp is, because SHORELINE_UID may name any user.
RUN groupadd --gid 1000 shoreline \
 && useradd --uid 1000 --gid shoreline --home-dir /home/shoreline --create-home --shell /usr/sbin/nologin shoreline \
 && chmod 755 /home/shoreline \
 && install --directory --mode=1777 /data /metrics /var/lib/shoreline
COPY --from=dependencies /app/.venv /app/.venv
COPY --from=project /project /app
# For the labels and `shoreline --version`, whose version is that of pyproject.toml. Declared last, as a change of either
# invalidates the cached layers that follow.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Shoreline" \
      org.opencontainers.image.description="PostgreSQL backups that are proven to restore, and a Parquet data lake with no surprise bill" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="python:3.13-slim-trixie"
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/home/shoreline \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOG_FORMAT=json \
    SHORELINE_REVISION=${REVISION}
WORKDIR /data
USER 1000:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["shoreline"]
CMD ["--help"]
