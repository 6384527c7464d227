import { Agent } from 'node:http'
import { expect } from 'vitest'
import { type Answer, type Call, call } from './caller.ts'
import { FAULTS, idOf, strangersIn, type Tongue, type Trick } from './cross-tricks.ts'
import type { GatewayUnderTest } from './gateway.ts'
import { Random } from './random.ts'
import { type RawRequest, rawCaller, requestBytes } from './raw-caller.ts'
import type { TextBackend } from './text-backend.ts'

/** Many callers, and backends that answer them by tricks. */
export interface Crossing {
  readonly gate: GatewayUnderTest
  readonly key: string
  readonly backends: readonly TextBackend[]
  readonly tongue: Tongue
  readonly asks: readonly Call[]
  /** What somebody asks who then leaves. */
  readonly leaves: RawRequest
  readonly seed: number
  readonly requests: number
  readonly callers: number
}

export interface CrossTally {
  asked: number
  answered: number
  whole: number
  left: number
  /** Requests that came to a backend, and connections that they came by. */
  reached: number
  connections: number
  /** Of those, the ones that another backend had been asked before. */
  again: number
  readonly crossed: string[]
}

async function askOnce({ gate, key, asks, leaves }: Crossing, random: Random, agent: Agent, tally: CrossTally): Promise<void> {
  tally.asked += 1
  if (random.chance(0.1)) return leaveEarly(gate.port, { ...leaves, key }, random, tally)
  const answer: Answer = await call(gate.port, { ...random.of(asks), key, agent })
  const own = String(answer.headers['x-request-id'] ?? '')
  if (answer.status > 0) tally.answered += 1
  if (answer.complete && answer.status === 200) tally.whole += 1
  const strangers = strangersIn(answer.body, own)
  if (strangers.length > 0) tally.crossed.push(`${own} got ${strangers.join()}: ${answer.body.slice(0, 200)}`)
}

/** A caller who leaves his connection to the backend behind, with an answer on it that nobody waits for. */
async function leaveEarly(port: number, leaves: RawRequest, random: Random, tally: CrossTally): Promise<void> {
  const caller = await rawCaller(port)
  caller.write(requestBytes(leaves))
  await new Promise((resolve) => setTimeout(resolve, random.int(0, 5)))
  tally.left += 1
  const own = /x-request-id: (\w+)/i.exec(caller.received)?.[1] ?? ''
  const strangers = strangersIn(caller.received, own)
  if (strangers.length > 0) tally.crossed.push(`${own} got ${strangers.join()}`)
  caller.leave(random.of(['close', 'reset'] as const))
}

/** Many callers at once, to backends that play these tricks at random among good answers. */
export async function playCrossing(crossing: Crossing, tricks: Readonly<Record<string, Trick>>): Promise<CrossTally> {
  const { gate, backends, tongue, seed, requests, callers } = crossing
  const random = new Random(seed)
  const names = Object.keys(tricks)
  const played = new Set<string>()
  for (const backend of backends) {
    backend.choose((seen) => {
      // Mostly good answers, or no connection would live long enough to be used again.
      const name = random.chance(0.5) ? 'good' : random.of(names)
      played.add(name)
      return (x) => (tricks[name] ?? FAULTS.good)?.(x, tongue(seen), random)
    })
  }
  const tally: CrossTally = { asked: 0, answered: 0, whole: 0, left: 0, reached: 0, connections: 0, again: 0, crossed: [] }
  const caller = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (tally.asked < requests) await askOnce(crossing, random, agent, tally)
    agent.destroy()
  }
  await Promise.all(Array.from({ length: callers }, caller))
  expect(names.filter((name) => !played.has(name))).toEqual([])
  const records = await gate.lines()
  const count = (event: string) => records.filter((record) => record.event === event).length
  expect(count('outcome')).toBe(count('intent'))
  const ids = backends.flatMap(({ asked }) => asked.map(idOf))
  tally.reached = ids.length
  tally.again = ids.length - new Set(ids).size
  tally.connections = backends.reduce((sum, { connections }) => sum + connections, 0)
  return tally
}

export const crossingFigure = (what: string, { seed, callers }: Crossing, tally: CrossTally): string =>
  `promise 13: ${what} (seed ${seed}): ${tally.asked} tagged requests by ${callers} callers, ${tally.reached} reached a backend over ${tally.connections} connections, ` +
  `${tally.again > 0 ? `${tally.again} of them a second one, ` : ''}${tally.answered} answered, ${tally.whole} whole, ${tally.left} left early; cross-deliveries ${tally.crossed.length}\n`
