import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BUILTIN, createHealth } from '../../src/catalog/index.ts'
import { loadConfig } from '../../src/config.ts'
import { LIMITS, systemClock } from '../../src/kernel/index.ts'
import { compose } from '../support/compose.ts'
import { freePort } from '../support/free-port.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const page = read('docs/deploying.md')

/** What stands between this heading and the next of its rank. */
const section = (title: string) => page.split(/^## /m).find((text) => text.startsWith(title)) ?? ''

/** Every `{$NAME:default}` of the front. */
function frontVariables(): Map<string, Set<string>> {
  const texts = ['Caddyfile', ...readdirSync(new URL('caddy/', root)).map((file) => `caddy/${file}`)].map(read)
  const found = new Map<string, Set<string>>()
  for (const [, name = '', , fallback = ''] of texts.join('\n').matchAll(/\{\$([A-Z_]+)(:([^}]*))?\}/g)) {
    found.set(name, (found.get(name) ?? new Set()).add(fallback))
  }
  return found
}

describe('docs/deploying.md', () => {
  test('documents every variable of the front with its default, and none that is gone', () => {
    const documented = new Map(
      [...section('Caddy').matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|/gm)].map(([, name = '', fallback = '']) => [name, fallback]),
    )
    const known = frontVariables()
    expect([...documented.keys()].sort()).toEqual([...known.keys()].sort())
    const inWords: Readonly<Record<string, string>> = {
      BIND_ADDRESS: 'all addresses',
      SITE: '`localhost` in mode `local`; must be given in `automatic` and `own`',
    }
    for (const [name, fallbacks] of known) {
      const [fallback = ''] = fallbacks
      expect([name, documented.get(name)]).toEqual([name, inWords[name] ?? `\`${fallback}\``])
      // SITE alone means another thing per mode.
      if (name !== 'SITE') expect([name, fallbacks.size]).toEqual([name, 1])
    }
  })

  test('names the modes that there are', () => {
    const row = (name: string) => page.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? ''
    for (const [variable, prefix] of Object.entries({
      TLS_MODE: 'tls',
      CLIENT_ADDRESS: 'client',
      ALLOW_FROM: 'allow',
      ACCESS_LOG: 'log',
      OPERATIONS: 'operations',
    })) {
      const modes = readdirSync(new URL('caddy/', root)).flatMap((file) => new RegExp(`^${prefix}-([a-z]+)\\.caddy$`).exec(file)?.[1] ?? [])
      // Parts of a concern that are no mode.
      for (const mode of modes.filter((word) => !['address', 'fields'].includes(word))) expect(row(variable).toLowerCase()).toContain(mode)
    }
  })

  test('quotes /status as it speaks', async () => {
    const port = await freePort()
    const urls: Readonly<Record<string, string>> = { chat: 'http://host.docker.internal:11434', image: 'http://host.docker.internal:7860' }
    const env = {
      OLLAMA_URL: `http://127.0.0.1:${port}`,
      IMAGE_URL: `http://127.0.0.1:${port}`,
      PORTCULLIS_CONFIG: '/dev/null',
      DATA_DIR: '/nowhere',
    }
    const services = loadConfig(env).services.filter(({ name }) => Object.hasOwn(urls, name))
    const log = { info: () => {}, warn: () => {} }
    const health = createHealth({ backends: () => services, probeOf: () => ({ path: '/', up: () => true }), clock: systemClock, log })
    await health.check()
    health.stop()
    const quoted = [...page.matchAll(/^> (.*)$/gm)].map(([, text]) => text)
    expect(quoted).toEqual(health.read().map(({ name, url, note }) => note.replace(url, urls[name] ?? '')))
  })

  test('names the services and containers of the compose file', () => {
    const rows = [...section('Containers').matchAll(/^\| `([a-z-]+)` \| (?:`([a-z-]+)`)? ?\|/gm)].map(([, name = '', container]) => [
      name,
      container,
    ])
    const known = Object.entries(compose.services).map(([name, { container_name }]) => [name, container_name])
    expect(new Map(rows as [string, string | undefined][])).toEqual(new Map(known as [string, string | undefined][])) // pairs, by construction
  })

  test('the systemd unit starts what npm start starts, and waits for the drain', () => {
    const unit = section('systemd')
    const manifest = JSON.parse(read('package.json')) as { scripts: { start: string } } // npm's own shape
    expect(unit).toContain(`ExecStart=/opt/portcullis/${manifest.scripts.start.replace(/^exec /, '')}`)
    expect(Number(/TimeoutStopSec=(\d+)/.exec(unit)?.[1]) * 1_000).toBeGreaterThan(LIMITS.drainMsMax)
  })

  test('makes the first key in the house that the systemd unit runs', () => {
    const unit = section('systemd')
    const of = (line: string | undefined) => [...(line ?? '').matchAll(/\b(?:DATA_DIR|AUDIT_LOG_FILE)=\S+/g)].map(([pair]) => pair)
    const places = of(/^Environment=.*$/m.exec(unit)?.[0])
    expect(places).toHaveLength(2)
    expect(of(/^.*apikey generate.*$/m.exec(unit)?.[0])).toEqual(places)
  })

  test('gives time-outs above the gatekeeper\u2019s own', () => {
    const nginx = section('nginx')
    const minutes = Number(/proxy_read_timeout (\d+)m/.exec(nginx)?.[1])
    expect(minutes * 60_000).toBeGreaterThan(Math.max(LIMITS.imageFirstByteMsMax, LIMITS.whisperFirstByteMsMax, LIMITS.chatFirstByteMsMax))
    expect(Number(/keepalive_timeout (\d+)s/.exec(nginx)?.[1]) * 1_000).toBeLessThan(LIMITS.keepAliveMs)
    const wall = Number(/client_max_body_size (\d+)m/.exec(nginx)?.[1]) * 1024 ** 2
    const largest = Math.max(...Object.values(BUILTIN).map(({ bodyBytesMax }) => bodyBytesMax))
    expect(wall).toBeGreaterThan(largest)
    expect(Number(/BODY_MAX:(\d+)MiB/.exec(read('caddy/limits.caddy'))?.[1]) * 1024 ** 2).toBe(wall)
  })

  test('names metrics that there are', () => {
    const source = read('src/ops/metrics.ts')
    for (const [name] of page.matchAll(/portcullis_[a-z0-9_]+/g)) expect(source).toContain(`'${name}'`)
  })

  test('its links inside the page lead somewhere', () => {
    const anchors = [...page.matchAll(/^## (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    )
    for (const [, anchor = ''] of page.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor)
  })
})
