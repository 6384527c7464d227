import { availableParallelism } from 'node:os'
import { type Clock, GatewayError, LIMITS } from '../kernel/index.ts'
import { ARGON_PARAMETERS, phcFault } from './phc.ts'
import { type Claim, type Waiter, WaitingLine } from './waiting.ts'

export interface HasherStats {
  readonly inFlight: number
  readonly queued: number
  readonly peakInFlight: number
  readonly peakQueued: number
  /** Verifications and hashes done since the start. */
  readonly done: number
  /** Turned away with VERIFIER_BUSY since the start. */
  readonly turnedAway: number
}

export interface Hasher {
  /** argon2id of a new secret, as a PHC string. */
  hash(secret: string): Promise<string>
  /** The position of the first PHC string that the secret fits, or -1. One place in the queue, however many strings there are. */
  verify(secret: string, phcs: readonly string[], claim: Claim): Promise<number>
  stats(): HasherStats
}

export interface HasherOptions {
  readonly clock: Clock
  /** Hashes at the same time. */
  readonly inFlightMax?: number
  readonly queueMax?: number
}

/** A core is left for the event loop; and argon2 shares libuv's four threads with DNS and file I/O, so one of those is left as well. */
const defaultInFlight = () => Math.max(1, Math.min(availableParallelism() - 1, 3))

/** The one place where argon2 runs: bounded in flight, bounded in waiting, in an order that attackers cannot buy. */
export function createHasher({ clock, inFlightMax = defaultInFlight(), queueMax = LIMITS.argonQueueMax }: HasherOptions): Hasher {
  const line = new WaitingLine(queueMax)
  let [inFlight, peakInFlight, peakQueued, done, turnedAway] = [0, 0, 0, 0, 0]

  const busy = () => {
    turnedAway += 1
    return new GatewayError('VERIFIER_BUSY', { reason: `argon2: ${inFlight} in flight, ${line.length} waiting` })
  }

  /** Resolves once a place in flight is ours. */
  const enter = (claim: Claim): Promise<void> => {
    if (inFlight < inFlightMax) {
      inFlight += 1
      peakInFlight = Math.max(peakInFlight, inFlight)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        claim,
        arrived: clock.monoMs(),
        start: () => {
          clearTimeout(patience)
          resolve()
        },
        turnAway: () => {
          clearTimeout(patience)
          reject(busy())
        },
      }
      const patience = setTimeout(() => line.leave(waiter) && reject(busy()), LIMITS.argonWaitMsMax)
      if (!line.join(waiter)) waiter.turnAway()
      peakQueued = Math.max(peakQueued, line.length)
    })
  }

  /** Hands our place to the next in line, or gives it up. */
  const leave = () => {
    done += 1
    const next = line.next()
    if (next) next.start()
    else inFlight -= 1
  }

  const within = async <T>(claim: Claim, work: () => Promise<T>): Promise<T> => {
    await enter(claim)
    try {
      return await work()
    } finally {
      leave()
    }
  }

  return {
    hash: (secret) => within(ownWork(), () => hashAnew(secret)),
    verify: async (secret, phcs, claim) => {
      refuseForeign(phcs)
      return within(claim, () => firstThatFits(secret, phcs))
    },
    stats: () => ({ inFlight, queued: line.length, peakInFlight, peakQueued, done, turnedAway }),
  }
}

let ownWorkCount = 0
/** An administrator's hashing waits like anybody without failures. Each call stands for itself: three keys may be made at the same time. */
function ownWork(): Claim {
  ownWorkCount += 1
  return { keyId: `own work ${ownWorkCount}`, address: '', addressFailures: 0, keyFailures: 0 }
}

/** Loaded with the first secret: a command that only lists keys need not wait for it. */
const loadArgon2 = async () => (await import('argon2')).default

async function hashAnew(secret: string): Promise<string> {
  const argon2 = await loadArgon2()
  return argon2.hash(secret, { type: argon2.argon2id, ...ARGON_PARAMETERS })
}

async function firstThatFits(secret: string, phcs: readonly string[]): Promise<number> {
  const argon2 = await loadArgon2()
  for (const [at, phc] of phcs.entries()) {
    if (await argon2.verify(phc, secret)) return at
  }
  return -1
}

/** A stored hash that argon2 must not be given: the store was edited by somebody else, or is damaged. */
export class UnusableHash extends Error {
  override readonly name = 'UnusableHash'
}

function refuseForeign(phcs: readonly string[]): void {
  for (const phc of phcs) {
    const fault = phcFault(phc)
    if (fault) throw new UnusableHash(`a stored hash is refused: ${fault}`)
  }
}
