import type { ThreatKind } from '../../src/report/index.ts'
import { DAY_MS, Traffic } from './traffic.ts'
import { ATTACKS } from './traffic-attacks.ts'
import { BENIGN } from './traffic-benign.ts'

export interface Label {
  readonly kind: ThreatKind
  /** As the report names its subject. */
  readonly subject: string
  readonly scenario: string
}

export interface Labelled {
  readonly ledger: string
  readonly labels: readonly Label[]
  readonly untilMs: number
}

export const TRAFFIC_DAYS = 21
export const TRAFFIC_STARTS_MS = Date.UTC(2026, 4, 4) // a Monday

/** Three weeks of a small company's gate: its people and programs with all their clumsiness, and among them attacks of every kind, labelled. */
export function labelledTraffic(seed: number): Labelled {
  const traffic = new Traffic(seed)
  const week = { traffic, startMs: TRAFFIC_STARTS_MS, days: TRAFFIC_DAYS }
  const labels: Label[] = []
  for (const play of Object.values(BENIGN)) labels.push(...play(week))
  for (const play of Object.values(ATTACKS)) labels.push(...play(week))
  return { ledger: traffic.write(), labels, untilMs: TRAFFIC_STARTS_MS + TRAFFIC_DAYS * DAY_MS }
}
