import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BUILTIN } from '../../src/catalog/index.ts'
import { SETTINGS, type Setting, serviceSettings } from '../../src/config/settings.ts'
import { type ComposeService, compose, composeText, filled, variablesOf } from '../support/compose.ts'

const services = Object.entries(compose.services)
const without = (...names: readonly string[]) => services.filter(([name]) => !names.includes(name))
const service = (name: string): ComposeService => {
  const found = compose.services[name]
  if (!found) throw new Error(`there is no service ${name}`)
  return found
}
const settings: readonly Setting[] = [...SETTINGS, ...Object.keys(BUILTIN).flatMap(serviceSettings)]
const environment = Object.entries(service('api-gatekeeper').environment ?? {})
const passedOn = environment.flatMap(([name, value]) => (value === null ? [name] : []))
const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')
const exampleRows = [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const)

describe('docker-compose.yml', () => {
  test('keeps the names that people type', () => {
    expect(service('caddy').container_name).toBe('ai-gateway-caddy')
    expect(service('api-gatekeeper').container_name).toBe('ai-gateway-api-gatekeeper')
    expect(service('edge-tts').container_name).toBe('edge-tts')
  })

  test.each(services)('%s gives up every privilege it can', (_name, one) => {
    expect(one.cap_drop).toEqual(['ALL'])
    expect(one.security_opt).toContain('no-new-privileges:true')
    expect(one.privileged ?? false).toBe(false)
    expect(one.network_mode ?? 'none').toBe('none')
    expect(one.volumes?.join() ?? '').not.toContain('docker.sock')
  })

  test('capabilities are given back to two, for a reason each', () => {
    const given = services.flatMap(([name, one]) => (one.cap_add ? [[name, one.cap_add]] : []))
    expect(given).toEqual([
      ['prepare', ['CHOWN']],
      ['caddy', ['NET_BIND_SERVICE']],
    ])
  })

  // prepare ends at once and reaches no network; stable-diffusion has a user of its own and writes where it is installed.
  test.each(without('prepare', 'stable-diffusion'))('%s runs as a person and not as root', (_name, one) => {
    expect(filled(one.user ?? '')).toBe('1000:1000')
  })
  test.each(without('stable-diffusion'))('%s cannot write its root', (_name, one) => {
    expect(one.read_only).toBe(true)
  })
  test('prepare, the one that is root, has no network and does not stay', () => {
    expect(service('prepare')).toMatchObject({ user: '0:0', network_mode: 'none', restart: 'no' })
  })

  test.each(without('prepare'))('%s is watched', (_name, one) => {
    // What is built here has its health check in the Dockerfile.
    expect(one.build !== undefined || (one.healthcheck?.test?.length ?? 0) > 1).toBe(true)
  })

  test.each(services)('%s has a pinned image', (name, one) => {
    const image = filled(one.image ?? '')
    expect(image).toMatch(/:[^:/]+$/)
    // Its maker publishes `latest` alone.
    if (name !== 'edge-tts') expect(image).not.toMatch(/:latest$/)
    expect(image).not.toMatch(/^[^/]*[.:][^/]*\//) // no registry host
  })

  test('only the front and, on loopback, the gatekeeper are published', () => {
    const published = services.flatMap(([name, one]) => (one.ports ?? []).map((port) => [name, filled(port)]))
    expect(published).toEqual([
      ['caddy', '127.0.0.1:80:8080'],
      ['caddy', '127.0.0.1:443:8443'],
      ['api-gatekeeper', '127.0.0.1:8080:8080'],
    ])
  })

  test('holds no secret', () => {
    for (const [, one] of services) {
      for (const [name, value] of Object.entries(one.environment ?? {})) {
        if (value !== null && /KEY|TOKEN|SECRET|PASSWORD/.test(name))
          expect([name, value]).toEqual([name, expect.stringMatching(/^(?:\/|True$)/)])
      }
    }
    expect(composeText).not.toMatch(/pcl_|Bearer |sk-[A-Za-z0-9]/)
    expect(service('edge-tts').env_file).toEqual(['secrets/edge-tts.env'])
  })

  test('the gatekeeper believes the front by its address, and only it', () => {
    const { networks } = service('caddy')
    const address = networks && 'front' in networks ? networks.front?.ipv4_address : undefined
    expect(service('api-gatekeeper').environment?.TRUSTED_PROXIES).toBe(address)
    expect(service('caddy').environment?.GATEKEEPER).toBe('api-gatekeeper:8080')
    // The example and the page say the same, and neither the wider network that every caller on a LAN belongs to.
    const pages = ['portcullis.example.yaml', 'docs/deploying.md'].map((name) =>
      readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'),
    )
    for (const page of pages) expect(page).toContain(address)
    expect(pages.join()).not.toMatch(/TRUSTED_PROXIES=\S*private|trusted_proxies:.*private|\[private\]/)
  })

  test('Ollama on the host can be reached, and the drain has time to end', () => {
    const { extra_hosts, environment, stop_grace_period } = service('api-gatekeeper')
    expect(extra_hosts).toEqual(['host.docker.internal:host-gateway'])
    expect(filled(environment?.OLLAMA_URL ?? '')).toBe('http://host.docker.internal:11434')
    expect(Number.parseInt(stop_grace_period ?? '', 10)).toBeGreaterThan(30)
    expect(service('ollama').profiles).toEqual(['ollama'])
    expect(service('stable-diffusion').profiles).toEqual(['stable-diffusion'])
  })

  test('every variable that it sets for the gatekeeper is one, with a value that it takes', () => {
    for (const [name, value] of environment) {
      const setting = settings.find(({ env }) => env === name)
      expect(setting, `${name} is no setting`).toBeDefined()
      if (value !== null) expect(setting?.read(filled(value)), name).toHaveProperty('value')
    }
  })

  test('every setting of the gatekeeper itself can be set, but for the one that is a path in the container', () => {
    const names = environment.map(([name]) => name)
    expect(SETTINGS.map(({ env }) => env).filter((env) => !names.includes(env))).toEqual(['API_KEYS_FILE'])
  })

  test('every named volume is declared, and used', () => {
    const used = services.flatMap(([, one]) => one.volumes ?? []).map((volume) => volume.split(':')[0] ?? '')
    const names = new Set(used.filter((source) => /^[a-z]+$/.test(source)))
    expect([...names].sort()).toEqual(Object.keys(compose.volumes).sort())
  })
})

describe('.env.example', () => {
  test('names every variable of docker-compose.yml and nothing else, with the default that holds', () => {
    expect(exampleRows.map(([name]) => name).sort()).toEqual([...new Set([...variablesOf(composeText), ...passedOn])].sort())
    for (const [name, value] of exampleRows) {
      const setting = settings.find(({ env }) => env === name)
      if (passedOn.includes(name)) {
        expect([name, setting?.read(value)]).toEqual([name, { value: setting?.fallback }])
        continue
      }
      const defaults = new Set([...composeText.matchAll(new RegExp(`\\$\\{${name}:-([^}]*)\\}`, 'g'))].map(([, text]) => text))
      expect([name, [...defaults]]).toEqual([name, [value]])
    }
  })
})
