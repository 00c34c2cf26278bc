# jobpipe as an image: `docker build -t jobpipe .`, then `docker run --rm jobpipe --help`.
# The project's folder (jobpipe.yml, imports, files) is mounted at /project; secrets come by the environment or as files.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p jobpipe && cp target/release/jobpipe /jobpipe

FROM debian:bookworm-slim
# certificates that https, amqps and TLS to MongoDB are checked against
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /jobpipe /usr/local/bin/jobpipe
USER 1000:1000
WORKDIR /project
STOPSIGNAL SIGTERM
ENTRYPOINT ["jobpipe"]
CMD ["worker", "--at", "/project"]
