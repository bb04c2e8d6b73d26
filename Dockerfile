# trove as an image: built in one stage, run in another with nothing but the libraries.
#   docker build -t trove .
#   docker run --read-only -v trove:/var/lib/trove -p 127.0.0.1:4700:4700 trove
# The packages of both stages come from the one list in deploy/packages.

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
RUN make -j"$(nproc)" TROVE_INSIDE=1 VERSION="$VERSION" PROGRAMS="troved trovectl" PREFIX=/usr/local DESTDIR=/out install

FROM debian:trixie-slim
COPY deploy/packages /usr/share/trove/packages
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
      $(awk '$1 == "runtime" { print $2 }' /usr/share/trove/packages) >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/trove --shell /usr/sbin/nologin trove \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/trove
COPY --from=build /out/usr/local/bin/ /usr/local/bin/
COPY LICENSE /usr/share/trove/LICENSE
COPY config /etc/trove
# In a container other hosts are the peers: the sockets listen on all addresses of it.
# What changes the service (admin, 9091) stays on loopback.
ENV TROVE_DATA_DIRECTORY=/var/lib/trove \
    TROVE_EVENTS_REPLY=[tcp://0.0.0.0:4700,ipc:///var/lib/trove/trove.ipc] \
    TROVE_EVENTS_COLLECT=[tcp://0.0.0.0:4701] \
    TROVE_EVENTS_PUBLISH=[tcp://0.0.0.0:4702] \
    TROVE_OBSERVE_LISTEN=0.0.0.0:9090
USER 10001
WORKDIR /var/lib/trove
VOLUME /var/lib/trove
EXPOSE 4700 4701 4702 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["trovectl", "ping"]
ENTRYPOINT ["troved"]
