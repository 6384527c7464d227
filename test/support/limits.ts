import {
  type Allowance,
  asKeyId,
  asUserId,
  DEFAULT_TENANT,
  GatewayError,
  type KeyPrincipal,
  NO_LIMITS,
  parseRate,
  type Rate,
} from '../../src/kernel/index.ts'
import type { ManualClock } from './clock.ts'

export const rateOf = (text: string): Rate => {
  const rate = parseRate(text)
  if (rate === null) throw new Error(`${text} is no rate`)
  return rate
}

export const allowing = (part: Partial<Allowance>): Allowance => ({ ...NO_LIMITS, ...part })

/** A user whose limits a test may change while requests of his are running, as an edit does. */
export interface TestOwner {
  readonly id: ReturnType<typeof asUserId>
  limits: Allowance
}

export const ownerOf = (id: string, part: Partial<Allowance> = {}): TestOwner => ({ id: asUserId(id), limits: allowing(part) })

export const keyOf = (id: string, part: Partial<Allowance> = {}, owner: TestOwner = ownerOf(`usr_${id}`)): KeyPrincipal => ({
  tenant: DEFAULT_TENANT,
  kind: 'key',
  id: asKeyId(id),
  user: owner.id.replace('usr_', ''),
  rights: new Set(),
  limits: allowing(part),
  owner,
  models: null,
  logContent: false,
  oldSecret: false,
})

/** The code of what it throws; null when it throws nothing. */
export function refusedBy(call: () => unknown): unknown {
  try {
    call()
    return null
  } catch (thrown) {
    return thrown instanceof GatewayError ? thrown.code : thrown
  }
}

/** A wall clock that somebody sets, while durations go on as they do. */
export interface WallClock extends ManualClock {
  setTo(time: string): void
}

export function wallClock(start: string): WallClock {
  let [wallMs, elapsedMs] = [Date.parse(start), 0]
  return {
    nowMs: () => wallMs,
    monoMs: () => elapsedMs,
    advance(ms) {
      wallMs += ms
      elapsedMs += ms
    },
    setTo(time) {
      wallMs = Date.parse(time)
    },
  }
}

/** Of fast-check, in the names of the tests that use it: the same again by SEED. */
export const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
