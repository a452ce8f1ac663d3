# nigra as a BIDS-App: docker run --rm -v DATA:/data:ro -v OUT:/out nigra /data /out participant group
# Made by container/build.sh; docs/container.md tells how, and what may be set.

FROM debian:bookworm-slim AS build
ARG APT_MIRROR=""
ARG PIP_INDEX_URL="https://pypi.org/simple"
ARG SOURCE_DATE_EPOCH=0
ENV LANG=C.UTF-8 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

RUN if [ -n "$APT_MIRROR" ]; then \
        sed -i "s|http://deb.debian.org/debian\([ /]\|$\)|$APT_MIRROR\1|" \
            $(find /etc/apt -name '*.list' -o -name '*.sources'); \
    fi \
    && apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv

# Everything comes as a wheel whose hash the lock files know. The secret is for networks that look
# into what is fetched, and have certificates of their own.
COPY container/*.lock /src/container/
RUN --mount=type=secret,id=certificates \
    if [ -f /run/secrets/certificates ]; then export PIP_CERT=/run/secrets/certificates; fi \
    && python3 -m venv /opt/nigra \
    && python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: \
        -r /src/container/build.lock \
    && /opt/nigra/bin/pip install --require-hashes --only-binary :all: \
        -r /src/container/requirements.lock

# Files get a date of their own: compiled code is kept by it, and layers cut it to whole seconds.
COPY . /src
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index -w /tmp/wheel /src \
    && /opt/nigra/bin/pip install --no-deps --no-index /tmp/wheel/*.whl \
    && /opt/nigra/bin/pip uninstall --yes --quiet pip setuptools \
    && find /opt/nigra -type d \( -name tests -o -name test -o -name __pycache__ \) -prune \
        -path '*/site-packages/*' -exec rm -rf {} + \
    && find /opt/nigra -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} + \
    && /opt/nigra/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        /opt/nigra/lib

# Two people, of one and of several echoes, leave compiled what the default methods need.
RUN NUMBA_CACHE_DIR=/opt/nigra/compiled MPLCONFIGDIR=/opt/nigra/matplotlib \
    /opt/nigra/bin/nigra /src/bids_example /tmp/out participant group \
        --participant-label 01 02 --registration testing


FROM debian:bookworm-slim
ARG APT_MIRROR=""
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="nigra" \
    org.opencontainers.image.description="Iron in the deep grey matter: quantitative susceptibility mapping from BIDS to group statistics" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

RUN if [ -n "$APT_MIRROR" ]; then \
        sed -i "s|http://deb.debian.org/debian\([ /]\|$\)|$APT_MIRROR\1|" \
            $(find /etc/apt -name '*.list' -o -name '*.sources'); \
    fi \
    && apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log \
    && useradd --uid 1000 --no-create-home --home-dir /tmp nigra

COPY --from=build /opt/nigra /opt/nigra

# Any user may run the image on a read-only root: what is written goes to the output and to /tmp,
# where what was compiled already is copied to at the first start (interfaces/caches.py).
ENV LANG=C.UTF-8 \
    HOME=/tmp \
    PATH=/opt/nigra/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    NIGRA_COMPILED=/opt/nigra/compiled

USER nigra
WORKDIR /tmp
HEALTHCHECK --interval=5m --timeout=30s CMD ["nigra", "--version"]
ENTRYPOINT ["nigra"]
