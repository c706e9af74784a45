# Modelward with the drivers of a fleet. For releases, give the base by its digest:
#   docker build --build-arg NODE_IMAGE=docker.io/library/node:24-bookworm-slim@sha256:… -t modelward .
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim

FROM ${NODE_IMAGE} AS pack
WORKDIR /source
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm pack

# The package beside the lock file: what gets installed is what the lock file names, to the byte.
FROM ${NODE_IMAGE} AS install
WORKDIR /app
COPY --from=pack /source/modelward-*.tgz modelward.tgz
COPY package-lock.json ./
RUN tar -xzf modelward.tgz --strip-components=1 && rm modelward.tgz
RUN npm pkg set --json dependencies.pg="$(npm pkg get devDependencies.pg)" dependencies.@redis/client="$(npm pkg get devDependencies.@redis/client)" \
    && npm pkg delete devDependencies peerDependencies peerDependenciesMeta \
    && npm install --ignore-scripts --no-audit --no-fund
RUN mkdir bin && ln -s ../dist/cli/main.js bin/modelward && chmod 755 dist/cli/main.js

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
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve"]
