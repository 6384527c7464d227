import { expect } from 'vitest'
import { type Call, call } from './caller.ts'
import type { GatewayUnderTest, LedgerRecord } from './gateway.ts'

export interface Asked {
  readonly name: string
  readonly asked: Call
}

/** What a request left in the ledger. */
export interface Trail extends Asked {
  readonly status: number
  readonly id: string | undefined
  readonly lines: readonly LedgerRecord[]
  /** Their events, in order. */
  readonly events: string
}

/** What a request may leave: one intent and its outcome, or one refusal. */
export const RECORDS = ['intent,outcome', 'refused']

let addresses = 0
/** Each request comes from an address of its own, because one address's refusals are counted together after the twentieth. */
export const freshAddress = (): string => {
  addresses += 1
  return `127.1.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`
}

const eventsOf = (lines: readonly LedgerRecord[]): string => lines.map(({ event }) => event).join()

/** Lines that came while something was done, but for seals, which come by the clock. */
export async function linesDuring(gate: GatewayUnderTest, doing: () => Promise<unknown>): Promise<readonly LedgerRecord[]> {
  const before = (await gate.lines()).length
  await doing()
  return (await gate.lines()).slice(before).filter(({ event }) => event !== 'seal')
}

/** Asks one after the other, and the ledger once for all of them. */
export async function trailsOf(gate: GatewayUnderTest, all: readonly Asked[]): Promise<Trail[]> {
  const answers: (Asked & Pick<Trail, 'status' | 'id'>)[] = []
  const lines = await linesDuring(gate, async () => {
    for (const one of all) {
      const from = one.asked.socketPath === undefined ? { from: freshAddress() } : {}
      const { status, headers } = await call(gate.port, { ...from, ...one.asked })
      answers.push({ ...one, status, id: headers['x-request-id']?.toString() })
    }
  })
  const trails = answers.map((answer) => {
    const own = lines.filter(({ request }) => request !== undefined && request === answer.id)
    return { ...answer, lines: own, events: eventsOf(own) }
  })
  expect(lines.length, 'every line belongs to one of the requests').toBe(trails.reduce((sum, trail) => sum + trail.lines.length, 0))
  return trails
}
