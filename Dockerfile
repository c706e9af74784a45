# The server, with the drivers of a fleet. For releases, give the base by its digest:
#   docker build --build-arg NODE_IMAGE=docker.io/library/node:24-bookworm-slim@sha256:… -t modelward .
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /source
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node --run build

# What the server runs with, as the lock file names it, to the byte; then the two packages.
FROM ${NODE_IMAGE} AS install
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && rm package.json package-lock.json
COPY --from=build /source/dist/modelward node_modules/modelward
COPY --from=build /source/dist/server node_modules/@modelward/server
RUN rm -r node_modules/modelward/src node_modules/@modelward/server/src \
    && chmod 755 node_modules/@modelward/server/dist/cli/main.js \
    && mkdir bin && ln -s ../node_modules/@modelward/server/dist/cli/main.js bin/modelward

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Modelward" \
      org.opencontainers.image.description="API keys, rate limits, a durable record and jobs in front of AI models" \
      org.opencontainers.image.licenses="MIT"
# Nothing that runs needs a package manager.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn-* \
    && rm -f /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
    && mkdir -m 0700 /data && chown 10001:10001 /data
COPY --from=install /app /app
ENV PATH=/app/bin:$PATH \
    MODELWARD_HOST=0.0.0.0
# Without a database URL the data folder is made here: mount a volume. A fleet writes nothing.
WORKDIR /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=150s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.MODELWARD_PORT || 8000) + '/health', { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/node_modules/@modelward/server/dist/cli/main.js"]
CMD ["serve"]
