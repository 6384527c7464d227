import { existsSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs'
import type { SealLine } from '../contract/index.ts'
import { type Clock, reasonOf } from '../kernel/index.ts'
import type { ChainPoint } from './batch.ts'
import { readHead, type SegmentHead } from './heads.ts'
import { type LedgerKey, sealFileOf } from './keys.ts'
import { GENESIS } from './line.ts'
import { brokenPath, rotatedSegments, segmentNumber, stemOf } from './names.ts'
import { parseSeal, signatureHolds } from './record.ts'
import { dayOf, type Ended, openForAppend, placeOf, type Segment } from './segment.ts'
import { examineTail, followChain, type Tail } from './tail.ts'

/** Where an earlier process left the ledger. */
export interface Resumed {
  readonly point: ChainPoint
  /** The active segment when it can be continued. */
  readonly segment: Segment | null
  readonly ended?: Ended
  readonly nextNumber: number
  /** Sequence from which on intents may lack an outcome. */
  readonly unsettledFrom?: number
  /** What a reviewer should know: said in the log and in the ledger. */
  readonly faults: readonly string[]
}

export interface ResumeParts {
  readonly file: string
  readonly keyDir: string
  readonly key: LedgerKey
  readonly clock: Clock
}

type Left = Omit<Resumed, 'nextNumber'>

const NOTHING: Left = { point: { hash: GENESIS, seq: -1 }, segment: null, faults: [] }

/** Finds the end of the chain. A clean file is continued, so that a hundred restarts do not make a hundred segments; a torn one is ended. */
export async function resume(parts: ResumeParts): Promise<Resumed> {
  const { file, keyDir, key } = parts
  const { held, fault: sealFault } = heldSeal(keyDir, key)
  const numbers = rotatedSegments(file).map((s) => s.number)
  const { left, number, fault: fileFault } = await fromActive(parts, held)
  const found = left ?? (await fromRotated(file))
  const faults = [sealFault, fileFault, ...found.faults].filter((fault) => typeof fault === 'string')
  if (held && held.seq > found.point.seq) {
    faults.push(`the ledger ends at sequence ${found.point.seq}, before the seal of sequence ${held.seq} kept in the data directory`)
  }
  return { ...found, faults, nextNumber: Math.max(0, number, ...numbers) + 1 }
}

function heldSeal(keyDir: string, key: LedgerKey): { held: SealLine | null; fault: string | null } {
  const file = sealFileOf(keyDir)
  if (!existsSync(file)) return { held: null, fault: null }
  const line = readFileSync(file, 'latin1').trim()
  const held = parseSeal(line)
  if (held && signatureHolds(line, held.sig, key.verifier)) return { held, fault: null }
  return { held: null, fault: `${file} holds no seal signed by this ledger's key` }
}

interface FromActive {
  readonly left: Left | null
  readonly number: number
  readonly fault?: string
}

async function fromActive(parts: ResumeParts, held: SealLine | null): Promise<FromActive> {
  const { file, key, clock } = parts
  if (!existsSync(file)) return { left: null, number: 0 }
  if (statSync(file).size === 0) {
    // Made, and the process ended before its first line.
    unlinkSync(file)
    return { left: null, number: 0 }
  }
  const head = await readHead(file)
  const tail = head && (await examineTail(head, key.verifier, held))
  if (!head || !tail || tail.seq === -1) {
    const aside = brokenPath(file, `${stemOf(file)}-unreadable`, clock.nowMs())
    renameSync(file, aside)
    return { left: null, number: 0, fault: `${file} did not begin as a ledger and was moved to ${aside}` }
  }
  const number = segmentNumber(head.open.segment)
  const whole = tail.clean && tail.faults.length === 0
  return { left: whole ? await continued(parts, head, tail) : ended(parts, head, tail), number }
}

async function continued({ file, clock }: ResumeParts, head: SegmentHead, tail: Tail): Promise<Left> {
  const fd = openForAppend(file)
  const day = dayOf(Date.parse(head.open.time))
  const segment: Segment = {
    fd,
    name: head.open.segment,
    place: placeOf(fd),
    hash: tail.sha256,
    bytes: tail.end,
    day: day > 0 ? day : dayOf(clock.nowMs()),
    entries: 1,
    unsealed: tail.unsealed,
    opened: true,
  }
  const seal = tail.lastSeal ? { line: tail.lastSeal.line, hash: tail.lastSeal.seal.hash } : await sealBefore(file, head)
  return { ...pointOf(tail, seal), segment, unsettledFrom: oldestOf(head), faults: [] }
}

/** The active file cannot be continued: what is good of it stays as evidence under a name of its own. */
function ended({ file, clock }: ResumeParts, head: SegmentHead, tail: Tail): Left {
  const { segment } = head.open
  const faults = [...tail.faults]
  const seal = tail.lastSeal && { line: tail.lastSeal.line, hash: tail.lastSeal.seal.hash }
  const last = { ...pointOf(tail, seal ?? null), segment: null, unsettledFrom: oldestOf(head) }
  const aside = brokenPath(file, segment, clock.nowMs())
  renameSync(file, aside)
  if (!tail.clean) faults.push(`${segment} was torn: it is whole up to byte ${tail.end}`)
  return { ...last, ended: { segment, hash: tail.hash, bytes: tail.end, broken: true }, faults }
}

type FoundSeal = { readonly line: string; readonly hash: string } | null

const pointOf = ({ hash, seq }: { hash: string; seq: number }, seal: FoundSeal): { point: ChainPoint } => ({
  point: { hash, seq, ...(seal && { seal }) },
})

const oldestOf = ({ open }: SegmentHead): number => open.unfinished_from ?? open.seq

/** A segment that has no seal yet continues the seals of the one before it. */
async function sealBefore(file: string, head: SegmentHead): Promise<FoundSeal> {
  const before = rotatedSegments(file).find((s) => s.name === head.open.previous?.segment)
  return before ? ((await lastLines(before.path))?.seal ?? null) : null
}

async function lastLines(
  path: string,
): Promise<{ head: SegmentHead; walk: Awaited<ReturnType<typeof followChain>>; seal: FoundSeal } | null> {
  const head = await readHead(path).catch(() => null)
  if (!head) return null
  const walk = await followChain(head.path, 0, head.open.previous?.hash ?? GENESIS)
  const seal = walk.lastSealLine === undefined ? null : parseSeal(walk.lastSealLine)
  return { head, walk, seal: seal && { line: walk.lastSealLine ?? '', hash: seal.hash } }
}

/** There is no active file: the process ended between two segments, or somebody took it away. */
async function fromRotated(file: string): Promise<Left> {
  const faults: string[] = []
  for (const { path, name } of rotatedSegments(file).reverse()) {
    const last = await lastLines(path).catch((error: unknown) => {
      faults.push(`${name} cannot be read: ${reasonOf(error)}`)
      return null
    })
    if (!last || last.walk.seq < 0) continue
    const { head, walk, seal } = last
    const end = { segment: head.open.segment, hash: walk.hash, bytes: walk.end, ...(walk.clean ? {} : { broken: true as const }) }
    return { ...pointOf(walk, seal), segment: null, ended: end, unsettledFrom: oldestOf(head), faults }
  }
  return { ...NOTHING, faults }
}
