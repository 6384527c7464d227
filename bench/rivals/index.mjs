import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tool } from '../../scripts/tools.mjs'
import { scratch } from '../lib/cleanup.mjs'
import { newKey, startGateway } from '../lib/gateway.mjs'
import { freePort, run, SUBJECT_CORE, start } from '../lib/processes.mjs'
import { startNginx } from '../upstream/small.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The rivals from npm are installed by the bench itself, into its own folder: the gateway does not depend on them. */
export async function installRivals() {
  if (existsSync(here('../node_modules/@portkey-ai/gateway'))) return
  process.stdout.write('Installing the rivals into bench/node_modules …\n')
  const { status, stderr } = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here('..'), msMax: 300_000 })
  if (status !== 0) throw new Error(`npm ci in bench/ failed: ${stderr.slice(-2_000)}`)
}

/** Each answers the same question with the same bytes; where its own protocol wants another path or more headers, they stand here. */
export const RIVALS = {
  nginx: {
    label: 'nginx proxy_pass',
    async start(backend) {
      const port = await freePort()
      const pool = `upstream backend { server 127.0.0.1:${backend}; keepalive 512; keepalive_requests 1000000000; }`
      const pass = 'proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
      const running = await startNginx(
        'nginx',
        SUBJECT_CORE,
        port,
        `${pool} server { listen 127.0.0.1:${port} backlog=1024; location / { ${pass} } }`,
      )
      return { running, path: '/api/generate', headers: {} }
    },
  },
  caddy: {
    label: 'Caddy reverse_proxy',
    async start(backend) {
      const caddy = tool('caddy')
      if (caddy.missing) throw new Error(caddy.missing)
      const port = await freePort()
      const home = scratch('caddy')
      const file = join(home, 'Caddyfile')
      writeFileSync(
        file,
        `{\n  admin off\n  auto_https off\n}\nhttp://:${port} {\n  bind 127.0.0.1\n  reverse_proxy 127.0.0.1:${backend}\n}\n`,
      )
      const env = { ...caddy.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, GOMAXPROCS: '1' }
      const args = [...caddy.args, 'run', '--config', file, '--adapter', 'caddyfile']
      return { running: await start({ name: 'caddy', command: caddy.path, args, port, env }), path: '/api/generate', headers: {} }
    },
  },
  'hono/proxy': {
    label: 'hono/proxy',
    async start(backend) {
      const port = await freePort()
      const env = { PORT: String(port), BACKEND: `http://127.0.0.1:${backend}`, NODE_ENV: 'production' }
      const running = await start({ name: 'hono/proxy', command: process.execPath, args: [here('hono-proxy.mjs')], port, env })
      return { running, path: '/api/generate', headers: {} }
    },
  },
  portkey: {
    label: 'Portkey gateway',
    async start(backend) {
      const port = await freePort()
      const args = [here('../node_modules/@portkey-ai/gateway/build/start-server.js'), `--port=${port}`, '--headless']
      const running = await start({ name: 'portkey', command: process.execPath, args, port, env: { NODE_ENV: 'production' } })
      const headers = {
        authorization: 'Bearer bench',
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `http://127.0.0.1:${backend}/v1`,
      }
      return { running, path: '/v1/chat/completions', headers }
    },
  },
  write: { label: 'Portcullis, AUDIT_SYNC=write', start: (backend) => startOurs(backend, 'write') },
  sync: { label: 'Portcullis, AUDIT_SYNC=sync', start: (backend) => startOurs(backend, 'sync') },
}

async function startOurs(backend, sync) {
  const running = await startGateway({ name: `portcullis ${sync}`, backend, sync })
  return { running, path: '/chat/api/generate', headers: { 'x-api-key': await newKey(running) } }
}
