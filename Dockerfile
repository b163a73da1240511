# The services' image. No test builds it; docs/operations.md says how and what it is for.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
  && apt-get install --yes --no-install-recommends python3.11 python3.11-dev python3.11-venv \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN make wheels PYTHON=python3.11

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates python3.11 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --create-home cipherstream \
  && install --directory --owner=1000 --group=1000 /keys
COPY --from=build /app/.venv /app/.venv
COPY --from=build /app/streams /app/streams
ENV PATH=/app/.venv/bin:$PATH
# A relative settings file is looked for here, and none is: the compose file names one.
WORKDIR /home/cipherstream
USER 1000
ENTRYPOINT ["cipherstream"]
