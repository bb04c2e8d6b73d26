#!/bin/sh
# The Dockerfile keeps the rules, and each rule finds what breaks it.
set -u
rules=tests/deploy/dockerfile.py
work=$(mktemp -d "${TMPDIR:-/tmp}/trove-test.XXXXXX") || exit 70
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $1"; }

if "$rules" Dockerfile . >"$work/out"; then ok 'the Dockerfile'; else not_ok "the Dockerfile: $(cat "$work/out")"; fi

# breaks WHAT_IS_SAID SED_SCRIPT: the Dockerfile, changed by sed, is found fault with for this.
breaks() {
	sed -E "$2" Dockerfile >"$work/Dockerfile"
	if cmp -s Dockerfile "$work/Dockerfile"; then not_ok "$1: nothing was changed by $2"; return; fi
	if "$rules" "$work/Dockerfile" . >"$work/out"; then not_ok "$1: was not found"; return; fi
	if grep -qF -- "$1" "$work/out"; then ok "$1"; else not_ok "$1: instead: $(cat "$work/out")"; fi
}
breaks 'without a tag of its own' 's/^FROM debian:trixie-slim AS build/FROM debian AS build/'
breaks 'without a tag of its own' 's/^FROM debian:trixie-slim AS build/FROM debian:latest AS build/'
breaks 'shipped on debian:trixie-slim' 's/^FROM debian:trixie-slim AS runtime/FROM debian:bookworm-slim AS runtime/'
breaks 'a stage without a name of its own' 's/ AS runtime//'
breaks 'ADD instead of COPY' 's/^COPY cmd/ADD cmd/'
breaks 'no instruction' 's/^STOPSIGNAL/Stopsignal/'
breaks 'heredoc' 's/^RUN .usr.share.*/RUN sh <<E/'
breaks 'RUN --mount' 's/^RUN apt-get/RUN --mount=type=cache,target=\/x apt-get/'
breaks 'a syntax line' '1s/.*/# syntax=docker\/dockerfile:1/'
breaks 'sudo' 's/^RUN make/RUN sudo make/'
breaks 'cd instead' 's/^RUN make/RUN cd \/src \&\& make/'
breaks 'a pipe' 's/^RUN make/RUN echo | make/'
breaks 'apt instead' 's/^RUN apt-get -qq update/RUN apt update \&\& apt-get -qq update/'
breaks 'a download' 's/^RUN make/RUN curl -O x \&\& make/'
breaks 'without --no-install-recommends' 's/ --no-install-recommends//'
breaks 'that asks' 's/install -qq/install/'
breaks 'package lists stay' 's/rm -rf .var.lib.apt.lists.\*/true/'
breaks 'not of deploy/packages' 's/.\(awk .* deploy.packages\)/gcc/'
breaks 'keep signals to itself' 's/^ENTRYPOINT.*/ENTRYPOINT troved/'
breaks 'without CMD in exec form' 's/CMD \["trovectl", "health"\]/CMD trovectl health/'
breaks 'no absolute path' 's/^WORKDIR .src/WORKDIR src/'
breaks 'no stage before' 's/--from=build/--from=other/'
breaks 'no missing to copy' 's/^COPY proto proto/COPY missing proto/'
breaks 'is in .dockerignore' 's/^COPY proto proto/COPY build proto/'
breaks 'does not end in /' 's/^COPY Makefile LICENSE .*/COPY Makefile LICENSE x/'
breaks 'not a number above 0' 's/^USER .*/USER root/'
breaks 'not a number above 0' '/^USER /d'
breaks 'the image has no HEALTHCHECK' '/^HEALTHCHECK /d'
breaks 'the image has no STOPSIGNAL' '/^STOPSIGNAL /d'
breaks 'EXPOSE says' 's/^EXPOSE .*/EXPOSE 4700 4701 9090/'
breaks 'TROVE_ADMIN_LISTEN' 's/(TROVE_ADMIN_LISTEN)=[^ ]*/\1=0.0.0.0:9091/'
breaks 'VOLUME says' 's/, "\/run\/trove"\]/]/'
breaks 'no label org.opencontainers.image.licenses' '/image.licenses/d'
breaks 'twice in one stage' 's/^(STOPSIGNAL) .*/\1 SIGTERM\n\1 SIGINT/'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
