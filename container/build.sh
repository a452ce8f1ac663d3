#!/bin/sh
# Build the image of the Dockerfile beside this folder, with docker, podman or buildah.
#
#   container/build.sh [TAG]        (default: nigra:VERSION)
#
# Variables, all optional:
#   ENGINE         docker, podman or buildah; the first that is there and runs otherwise
#   BASE           debootstrap: make the base image here instead of pulling it (as root)
#   APT_MIRROR     mirror of Debian in place of http://deb.debian.org/debian
#   PIP_INDEX_URL  package index in place of https://pypi.org/simple
#   SSL_CERT_FILE  certificates to trust, in networks that have their own
# and those of the engine: BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs BASE=debootstrap
# build where there are neither namespaces nor a registry, such as within a container.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
base=docker.io/library/debian:bookworm-slim
version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$root/__init__.py")
tag=${1:-nigra:$version}

runs() { command -v "$1" >/dev/null 2>&1 && "$1" info >/dev/null 2>&1; }
engine=${ENGINE:-}
for found in docker podman buildah; do
    [ -n "$engine" ] || ! runs "$found" || engine=$found
done
[ -n "$engine" ] || { echo "container/build.sh: install docker, podman or buildah" >&2; exit 1; }

# What debian:bookworm-slim is: the smallest system, without the pages that nobody reads in it.
make_base() {
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    debootstrap --variant=minbase bookworm "$tree" "${APT_MIRROR:-http://deb.debian.org/debian}"
    rm -rf "$tree"/usr/share/doc/* "$tree"/usr/share/man/* "$tree"/usr/share/info/* \
        "$tree"/usr/share/locale/* "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/*
    importer=$engine
    if [ "$engine" = buildah ]; then importer=podman; fi # buildah has no import of its own
    tar --numeric-owner -C "$tree" -c . | "$importer" import - "$base"
}
present() {
    case $engine in
        buildah) buildah images -q "$base" >/dev/null 2>&1 ;;
        *) "$engine" image inspect "$base" >/dev/null 2>&1 ;;
    esac
}
if [ "${BASE:-}" = debootstrap ] && ! present; then make_base; fi

set -- --tag "$tag" --build-arg "VERSION=$version" --file "$root/Dockerfile"
if revision=$(git -C "$root" rev-parse HEAD 2>/dev/null); then
    set -- "$@" --build-arg "REVISION=$revision"
    set -- "$@" --build-arg "SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)"
fi
[ -z "${APT_MIRROR:-}" ] || set -- "$@" --build-arg "APT_MIRROR=$APT_MIRROR"
[ -z "${PIP_INDEX_URL:-}" ] || set -- "$@" --build-arg "PIP_INDEX_URL=$PIP_INDEX_URL"
[ -z "${SSL_CERT_FILE:-}" ] || set -- "$@" --secret "id=certificates,src=$SSL_CERT_FILE"
case $engine in
    docker) DOCKER_BUILDKIT=1 docker build "$@" "$root" ;;
    *) # the format of docker keeps the health check, which that of OCI has no place for
        if [ "${BASE:-}" = debootstrap ]; then set -- --pull-never "$@"; fi
        "$engine" build --format docker "$@" "$root" ;;
esac
