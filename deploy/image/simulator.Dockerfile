# The simulator of ITCare, for trying the operator out in a cluster. Build at the top of the repository:
#   docker build --file deploy/image/simulator.Dockerfile --tag itcare-sim .
FROM rust:1.95-alpine AS build
# Not pinned: Alpine keeps one version of each, so a pin would soon find nothing.
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package itcare-sim --bin itcare-sim

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /source/LICENSE /licenses/LICENSE
COPY --from=build /source/target/release/itcare-sim /itcare-sim
LABEL org.opencontainers.image.title="itcare-sim" \
      org.opencontainers.image.description="A simulator of cegedim.cloud's ITCare API, for tests and demonstrations" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/itcare-sim"]
CMD ["--listen=0.0.0.0:8080"]
