import { createHealth, type Service } from '../catalog/index.ts'
import { loadConfig } from '../config.ts'
import type { StandIns } from '../demo/index.ts'
import { probeOf } from '../dialects/index.ts'
import { systemClock } from '../kernel/index.ts'

/** What stands behind one prefix of the demo. */
export interface Backend {
  readonly service: Service
  readonly real: boolean
  /** Why the real one was not taken; '' when nobody asked for it. */
  readonly why: string
}

/** The stand-in that takes each built-in service's place, and speaks the language that is its service's default. */
const STAND_IN_OF: Readonly<Record<string, (standIns: StandIns) => string>> = {
  chat: ({ ollama }) => ollama.url,
  tts: ({ tts }) => tts.url,
  image: ({ image }) => image.url,
  whisper: ({ whisper }) => whisper.url,
}

const defaults = (): readonly Service[] => loadConfig({ PORTCULLIS_CONFIG: '/dev/null' }).services

export function standInBackends(standIns: StandIns): readonly Backend[] {
  return defaults().map((service) => standInFor(service, standIns, ''))
}

/** Each real backend that answers where the configuration has it, and a stand-in in the place of each that does not. */
export async function realBackends(configured: readonly Service[], standIns: StandIns): Promise<readonly Backend[]> {
  const services = configured.filter(({ name }) => Object.hasOwn(STAND_IN_OF, name))
  const silent = { info() {}, warn() {} }
  const health = createHealth({
    backends: () => services.filter(({ enabled }) => enabled),
    probeOf: ({ dialect }) => probeOf(dialect),
    clock: systemClock,
    log: silent,
  })
  try {
    await health.check()
    const found = new Map(health.read().map((backend) => [backend.name, backend]))
    return services.map((service) => {
      const { up = false, note = 'it is switched off in the configuration' } = found.get(service.name) ?? {}
      return up ? { service, real: true, why: '' } : standInFor(service, standIns, note)
    })
  } finally {
    health.stop()
  }
}

function standInFor(service: Service, standIns: StandIns, why: string): Backend {
  const { dialect } = defaults().find(({ name }) => name === service.name) ?? service
  const url = STAND_IN_OF[service.name]?.(standIns) ?? service.url
  return { service: { ...service, enabled: true, url, dialect, auth: null }, real: false, why }
}
