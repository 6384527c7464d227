import { createHash } from 'node:crypto'
import type { Clock } from '../../kernel/index.ts'

export type Ability = 'completion' | 'embedding' | 'tools'

export interface Model {
  readonly name: string
  readonly modifiedAt: string
  readonly size: number
  readonly digest: string
  readonly abilities: readonly Ability[]
  readonly system: string
}

/** The models of a text stand-in: in memory, gone with it. */
export interface Library {
  list(): readonly Model[]
  find(name: string): Model | null
  add(name: string, from?: Partial<Pick<Model, 'abilities' | 'system'>>): Model
  copy(source: Model, destination: string): void
  remove(model: Model): void
  /** Marks a model as loaded until `keepAlive` runs out, as every inference does. */
  touch(model: Model, keepAlive: unknown): void
  unload(model: Model): void
  loaded(): readonly { readonly model: Model; readonly expiresAt: string }[]
  readonly blobs: Set<string>
}

const COMPLETION: readonly Ability[] = ['completion', 'tools']
const KEEP_ALIVE_MS = 300_000
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const FOREVER_MS = 876_000 * 3_600_000

/** Seconds as a number, or a duration such as "5m"; anything negative means for ever. */
export function keepAliveMs(value: unknown): number {
  if (typeof value === 'number') return value < 0 ? FOREVER_MS : value * 1_000
  if (typeof value !== 'string' || value === '') return KEEP_ALIVE_MS
  if (value.startsWith('-')) return FOREVER_MS
  let ms = 0
  for (const [, amount = '0', unit = 's'] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)?/g)) ms += Number(amount) * (UNIT_MS[unit] ?? 0)
  return ms
}

/** Names carry a tag, `latest` unless told, and are compared without case. */
export function fullName(name: string): string {
  const tagged = (name.split('/').at(-1) ?? '').includes(':') ? name : `${name}:latest`
  return tagged.toLowerCase()
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export function createLibrary(clock: Clock): Library {
  const models = new Map<string, Model>()
  const expiries = new Map<string, number>()
  const now = (): string => new Date(clock.nowMs()).toISOString()
  const sweep = (): void => {
    for (const [name, at] of expiries) if (at <= clock.nowMs()) expiries.delete(name)
  }
  const library: Library = {
    list: () => [...models.values()],
    find: (name) => (name === '' ? null : (models.get(fullName(name)) ?? null)),
    add(name, { abilities = COMPLETION, system = '' } = {}) {
      const full = fullName(name)
      const model = { name: full, modifiedAt: now(), size: 1_024, digest: digestOf(full), abilities, system }
      models.set(full, model)
      return model
    },
    copy(source, destination) {
      const name = fullName(destination)
      models.set(name, { ...source, name, modifiedAt: now() })
    },
    remove({ name }) {
      models.delete(name)
      expiries.delete(name)
    },
    touch({ name }, keepAlive) {
      expiries.set(name, clock.nowMs() + keepAliveMs(keepAlive))
    },
    unload({ name }) {
      expiries.delete(name)
    },
    loaded() {
      sweep()
      return [...expiries].flatMap(([name, at]) => {
        const model = models.get(name)
        return model === undefined ? [] : [{ model, expiresAt: new Date(at).toISOString() }]
      })
    },
    blobs: new Set(),
  }
  library.add('stand-in')
  library.add('stand-in-embed', { abilities: ['embedding'] })
  return library
}
