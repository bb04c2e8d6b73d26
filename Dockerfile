# trove as an image: built in one stage, run in another with nothing but its libraries.
#   docker build -t trove .                      or `make image`, which also tells version and date
#   docker build --target test .                 the same tests as `make test`, in a container
# All stages take their packages from the one list, deploy/packages, and call the Makefile.
# No heredocs and no RUN --mount: buildah before 1.29 does not know the first, and removes the folders that the second
# mounts on from the image.

FROM debian:trixie-slim AS build
WORKDIR /src
COPY deploy/packages deploy/packages
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
      $(awk '$1 == "build" { print $2 }' deploy/packages) >/dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY Makefile LICENSE ./
COPY proto proto
COPY engine engine
COPY cmd cmd
ARG VERSION=unversioned
# The symbols stay, for heap profiles and probes; what only a debugger reads does not.
RUN make -j"$(nproc)" TROVE_INSIDE=1 VERSION="$VERSION" PROGRAMS="troved trovectl" PREFIX=/usr/local DESTDIR=/out install \
 && strip --strip-debug /out/usr/local/bin/*

# Only where it is asked for (--target test).
FROM build AS test
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
      $(awk '$1 == "test" || $1 == "bench" { print $2 }' deploy/packages) >/dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY . .
ARG TESTS="unit/|property/|tidy/"
RUN make -j"$(nproc)" TROVE_INSIDE=1 test T="$TESTS"

FROM debian:trixie-slim AS runtime
COPY deploy/packages deploy/sbom LICENSE /usr/share/trove/
# What says when or where it was installed is removed.
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
      $(awk '$1 == "runtime" { print $2 }' /usr/share/trove/packages) >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
      /var/lib/dpkg/*-old /var/log/apt /var/log/alternatives.log /var/log/dpkg.log \
 && echo 'trove:x:10001:10001:trove:/var/lib/trove:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'trove:x:10001:' >>/etc/group \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/trove /run/trove
COPY --from=build /out/usr/local/bin/ /usr/local/bin/
COPY config /etc/trove
ARG VERSION=unversioned
ARG CREATED=1970-01-01T00:00:00Z
# What is in the image, as SPDX; `make sbom` prints it.
RUN /usr/share/trove/sbom "$VERSION" "$CREATED" /usr/share/trove/packages >/usr/share/trove/sbom.spdx.json
# In a container other hosts are the peers: the event sockets listen on all of its addresses, and so does observe, which
# changes nothing. What changes the service (admin) is a unix socket that the user of troved alone may open.
# /run/trove is for the application beside it, as the same user or in group 10001: its ipc socket, and nothing of the data.
ENV TROVE_DATA_DIRECTORY=/var/lib/trove \
    TROVE_EVENTS_REPLY=[tcp://0.0.0.0:4700,ipc:///run/trove/trove.ipc] \
    TROVE_EVENTS_IPC_ACCESS=group \
    TROVE_EVENTS_COLLECT=[tcp://0.0.0.0:4701] \
    TROVE_EVENTS_PUBLISH=[tcp://0.0.0.0:4702] \
    TROVE_OBSERVE_LISTEN=0.0.0.0:9090 \
    TROVE_ADMIN_LISTEN=unix:/var/lib/trove/admin.sock \
    TROVECTL_ADMIN=unix:/var/lib/trove/admin.sock
LABEL org.opencontainers.image.title="trove" \
      org.opencontainers.image.description="Matches players to nearby rewards; takes claims, carts and payments; a sidecar" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
USER 10001:10001
WORKDIR /var/lib/trove
VOLUME ["/var/lib/trove", "/run/trove"]
EXPOSE 4700 4701 4702 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["trovectl", "health"]
ENTRYPOINT ["troved"]
