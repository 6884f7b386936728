# pgsteward's image. The base can be any Debian 12: `--build-arg BASE=…`.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make ca-certificates gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PGSTEWARD_WITHOUT_POSTGRES=1
# The authorities that cargo trusts, where a proxy needs others than Debian's.
ARG CARGO_HTTP_CAINFO
# The toolchain first: it changes less often than the source.
COPY xtask/setup.sh xtask/setup.sh
RUN xtask/setup.sh build
COPY . .
RUN make build PROFILE=release \
 && mkdir -p /out/bin /out/site \
 && cp target/release/pgsteward /out/bin/ \
 && cp -r target/site/. /out/site/

FROM ${BASE}
# pg_dump, pg_restore and pg_dumpall; the server is another container's or machine's.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/pgsteward --create-home pgsteward
COPY --from=build /out /opt/pgsteward
ENV PATH=/opt/pgsteward/bin:$PATH \
    PGSTEWARD_ADDR=0.0.0.0:3000 \
    PGSTEWARD_DATA_DIR=/var/lib/pgsteward
USER pgsteward
WORKDIR /var/lib/pgsteward
VOLUME /var/lib/pgsteward
EXPOSE 3000
STOPSIGNAL SIGTERM
# The base has no curl; bash speaks enough HTTP to ask whether the store answers.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/3000 && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
CMD ["pgsteward", "serve"]
