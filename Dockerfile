# nigra as a BIDS-App: docker run -v DATA:/data:ro -v OUT:/out nigra /data /out participant group
FROM debian:bookworm-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# Any user may run the image on a read-only root: caches go where everyone can write.
ENV LANG=C.UTF-8 \
    PATH=/opt/nigra/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/nigra-cache/numba \
    MPLCONFIGDIR=/tmp/nigra-cache/matplotlib

COPY . /src
RUN python3 -m venv /opt/nigra \
    && pip install --no-cache-dir /src \
    && python -m compileall -q /opt/nigra/lib \
    && rm -rf /src

WORKDIR /tmp
ENTRYPOINT ["nigra"]
