# Three images: `operator`, the process beside a service node; `watcher`, for whoever looks after it; and `devnet`, everything of
# `npm start`, to try things with.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app
COPY package.json package-lock.json ./
COPY protocol/package.json protocol/
COPY ethereum/package.json ethereum/
COPY operator/package.json operator/
COPY sdk/package.json sdk/
COPY cli/package.json cli/
COPY watcher/package.json watcher/
COPY explorer/package.json explorer/

# What the operator needs, and nothing else. No package runs a script of its own: the native ones bring their binaries along.
FROM base AS dependencies
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  --workspace @plasma-billing/protocol --workspace @plasma-billing/ethereum --workspace @plasma-billing/operator

FROM base AS watcher-dependencies
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  --workspace @plasma-billing/protocol --workspace @plasma-billing/ethereum --workspace @plasma-billing/sdk --workspace @plasma-billing/watcher

# What readers load: the tools that make it stay out of the image.
FROM base AS explorer
RUN npm ci --ignore-scripts --no-audit --no-fund \
  --workspace @plasma-billing/protocol --workspace @plasma-billing/explorer
COPY tsconfig.json ./
COPY protocol protocol
COPY explorer explorer
RUN node explorer/build.ts

FROM base AS devnet
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY hardhat.config.ts tsconfig.json ./
COPY contracts contracts
COPY scripts scripts
COPY protocol protocol
COPY ethereum ethereum
COPY operator operator
COPY sdk sdk
COPY cli cli
COPY explorer explorer
RUN node explorer/build.ts && node node_modules/hardhat/dist/src/cli.js build && mkdir /data && chown -R node:node /app/artifacts /app/cache /app/types /data
ENV HOST=0.0.0.0 DATA_DIR=/data HARDHAT_DISABLE_TELEMETRY=true
USER node
EXPOSE 3001 8545
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:3001/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--disable-warning=ExperimentalWarning", "scripts/start.ts"]

FROM node:24.21.0-bookworm-slim AS operator
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY protocol protocol
COPY ethereum ethereum
COPY operator operator
COPY --from=explorer /app/explorer/dist explorer/dist
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3001 DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 3001
# Alive, not ready: what keeps it from being ready (a node that is down) no restart mends.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:3001/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--disable-warning=ExperimentalWarning", "operator/main.ts"]

FROM node:24.21.0-bookworm-slim AS watcher
WORKDIR /app
COPY --from=watcher-dependencies /app/node_modules node_modules
COPY protocol protocol
COPY ethereum ethereum
COPY sdk sdk
COPY watcher watcher
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3002 DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 3002
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:3002/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--disable-warning=ExperimentalWarning", "watcher/main.ts"]
