# Builds the executable with what the README asks for, Node and npm, and ships it alone.
FROM node:20-slim AS build
WORKDIR /build
COPY deno.json deno.lock ./
COPY src ./src
COPY scripts ./scripts
RUN npx -y deno@2.9.6 task compile && mkdir /data

# A C library and nothing else: no shell, no package manager, user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/dist/logboat /usr/local/bin/logboat
COPY --from=build --chown=65532:65532 /data /data
ENV LOGBOAT_NODE_DATA_DIR=/data
VOLUME /data
# Redis clients, peers, administration.
EXPOSE 6379 7379 8379
# The listeners stay on loopback until they are told otherwise, and a public one needs a password:
#   docker run -p 6379:6379 -e LOGBOAT_REDIS_LISTEN=0.0.0.0:6379 -e LOGBOAT_REDIS_PASSWORD=… logboat
# Alive, not ready: a node that waits for a majority must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=6s --start-period=15s \
  CMD ["/usr/local/bin/logboat", "health", "live", "--admin", "http://127.0.0.1:8379"]
# SIGTERM hands the leadership over, finishes what is in flight and syncs.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/logboat"]
CMD ["serve"]
