import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { adaptCaddyfile, caddyVersion, validateCaddyfile } from '../support/caddy.ts'
import { lacking, named, toolOrThrow } from '../support/tools.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const files = ['Caddyfile', ...readdirSync(join(root, 'caddy')).map((file) => `caddy/${file}`)]

/** Every value of every mode stands in at least one of these. */
const MODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  local: {},
  http: { TLS_MODE: 'http', GATEKEEPER: 'api-gatekeeper:8080', OPERATIONS: 'on', BODY_MAX: '64MiB', BIND_ADDRESS: '127.0.0.1' },
  automatic: { TLS_MODE: 'automatic', SITE: 'ai.example.org', CLIENT_ADDRESS: 'cloudflare', ALLOW_FROM: 'cloudflare' },
  own: { TLS_MODE: 'own', SITE: 'ai.example.org', TLS_CERT: '/etc/tls/a.pem', TLS_KEY: '/etc/tls/a.key', ACCESS_LOG: 'file' },
  private: { TLS_MODE: 'http', CLIENT_ADDRESS: 'private', ALLOW_FROM: 'private', ACCESS_LOG: 'file', ACCESS_LOG_FILE: 'relative/a.json' },
}

const reason = lacking('caddy')

describe.skipIf(reason)(named('the Caddyfile', reason), () => {
  // Another Caddy writes the same configuration in other words; its behaviour is tested in the other files all the same.
  const version = reason === '' ? caddyVersion() : ''
  const foreign = version.startsWith('2.6.') ? '' : `golden files are of Caddy 2.6, this is ${version}`

  for (const [name, env] of Object.entries(MODES)) {
    test.skipIf(foreign)(named(`adapts to the golden JSON: ${name}`, foreign), async () => {
      const { status, stdout, stderr } = adaptCaddyfile(env)
      expect(stderr).not.toMatch(/"level":"(?:warn|error)"/)
      expect(status).toBe(0)
      await expect(stdout).toMatchFileSnapshot(`golden/${name}.json`)
    })
  }

  // `own` would read its certificate; it is run in tls.test.ts.
  test.each(Object.keys(MODES).filter((name) => name !== 'own'))('is a configuration that Caddy can load: %s', (name) => {
    const { status, stderr } = validateCaddyfile(MODES[name] ?? {})
    expect(stderr).not.toMatch(/"level":"error"/)
    expect(status).toBe(0)
  })

  test('every mode file is imported by some mode', () => {
    const chosen = Object.values(MODES).flatMap((env) => [
      `caddy/tls-${env.TLS_MODE ?? 'local'}.caddy`,
      `caddy/client-${env.CLIENT_ADDRESS ?? 'direct'}.caddy`,
      `caddy/allow-${env.ALLOW_FROM ?? 'anyone'}.caddy`,
      `caddy/operations-${env.OPERATIONS ?? 'off'}.caddy`,
      `caddy/log-${env.ACCESS_LOG ?? 'stdout'}.caddy`,
    ])
    const shared = readFileSync(join(root, 'Caddyfile'), 'utf8').matchAll(/^import (caddy\/[a-z-]+\.caddy)$/gm)
    const used = new Set([
      'Caddyfile',
      'caddy/other-names.caddy',
      'caddy/https-only.caddy',
      ...chosen,
      ...[...shared].flatMap(([, path]) => path ?? []),
    ])
    expect(files.filter((file) => !used.has(file))).toEqual([])
  })

  test('a mode that does not exist, or a public mode without a name, is refused', () => {
    expect(adaptCaddyfile({ TLS_MODE: 'atomatic' }).status).not.toBe(0)
    expect(adaptCaddyfile({ CLIENT_ADDRESS: 'all' }).status).not.toBe(0)
    expect(adaptCaddyfile({ TLS_MODE: 'automatic' }).status).not.toBe(0)
  })

  test.each(files)('%s is formatted as `caddy fmt` has it', (file) => {
    const caddy = toolOrThrow('caddy')
    const formatted = spawnSync(caddy.path, ['fmt', join(root, file)], { env: { ...process.env, ...caddy.env }, encoding: 'utf8' })
    expect(formatted.stdout).toBe(readFileSync(join(root, file), 'utf8'))
  })
})
