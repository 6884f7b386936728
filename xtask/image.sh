#!/usr/bin/env bash
# Builds the container image `pgsteward`. With a Docker or Podman engine it calls that; without one it builds the same
# Dockerfile with buildah, on a base that debootstrap makes from this machine's own Debian mirror.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${TAG:-localhost/pgsteward:latest}

for engine in docker podman; do
  if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
    exec "$engine" build -t "$tag" .
  fi
done

[ "$(id -u)" = 0 ] || { echo "No container engine answers, and building without one needs root: run as root." >&2; exit 1; }
command -v buildah >/dev/null && command -v debootstrap >/dev/null ||
  apt-get install -y --no-install-recommends buildah debootstrap
root=.toolchain/bookworm
base=localhost/debian:bookworm-slim
store=(buildah --storage-driver vfs)
if ! "${store[@]}" inspect --type image "$base" >/dev/null 2>&1; then
  # Either of the two places may be missing.
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
    sed -nE 's/^(deb|URIs:) +(\[[^]]*\] +)?([^ ]*\/debian)\/?( .*)?$/\3/p' | head -n 1)
  [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root" "${mirror:?no Debian mirror is configured}"
  # The compiler lies in the security suite: the base asks the same sources as this machine.
  rm -f "$root/etc/apt/sources.list"
  cp -r /etc/apt/sources.list.d "$root/etc/apt/"
  [ ! -s /etc/apt/sources.list ] || cp /etc/apt/sources.list "$root/etc/apt/"
  from=$("${store[@]}" from --isolation chroot scratch)
  "${store[@]}" add "$from" "$root" / >/dev/null
  "${store[@]}" commit --rm "$from" "$base" >/dev/null
fi
# A machine behind an inspecting proxy trusts more authorities than Debian's; cargo must trust them as well.
trusted=()
authorities=/etc/ssl/certs/ca-certificates.crt
[ ! -e $authorities ] ||
  trusted=(--volume "$authorities:/mnt/authorities.crt:ro" --build-arg CARGO_HTTP_CAINFO=/mnt/authorities.crt)
exec "${store[@]}" bud --isolation chroot --format docker --build-arg "BASE=$base" "${trusted[@]}" -t "$tag" .
