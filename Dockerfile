# The gatekeeper. `docker compose build api-gatekeeper`; docs/deploying.md has the rest.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# For compiling better-sqlite3.
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
# Without scripts: the package's own runs below, when the sources are there.
RUN npm ci --ignore-scripts \
  && npm_config_nodedir=/usr/local npm rebuild better-sqlite3 --build-from-source
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.mjs scripts/
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
  HOST=0.0.0.0 \
  PORT=8080 \
  DATA_DIR=/data \
  AUDIT_LOG_FILE=/logs/audit.log
WORKDIR /app
RUN install -d -o node -g node -m 0700 /data /logs && ln -s /app/dist/cli/portcullis.js /usr/local/bin/portcullis
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY scripts/apikey scripts/analyze-logs scripts/
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No shell in between: it would swallow the SIGTERM by which the gatekeeper drains its streams and seals its ledger.
CMD ["dist/cli/portcullis.js", "serve"]
