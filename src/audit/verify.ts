import type { KeyObject } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { SealLine } from '../contract/index.ts'
import { reasonOf } from '../kernel/index.ts'
import { type Placed, placed, readHead, type SegmentHead, whereNow, withoutGaps } from './heads.ts'
import { parsePublicKey, rawPublicKey } from './keys.ts'
import { GENESIS } from './line.ts'
import { parseSeal, signatureHolds } from './record.ts'
import { type Problem, Problems, type SegmentReport, type VerifyProgress, type VerifyReport } from './verify-report.ts'
import { type ChainState, SegmentCheck } from './verify-segment.ts'

export interface VerifyOptions {
  /** PEM text of ledger.pub. */
  readonly publicKey: string
  /** A seal line kept elsewhere. */
  readonly heldSeal?: string
  /** True when the files are a whole ledger: then a missing beginning must be explained by retention. */
  readonly whole?: boolean
  readonly onProgress?: (progress: VerifyProgress) => void
}

const UNFINISHED_NAMED_MAX = 1_000
const ROTATION_MS = 100

/** Reads segments from first to last and says whether anything was changed, cut or is missing. Needs no private key and changes nothing. */
export async function verifyLedger(files: readonly string[], options: VerifyOptions): Promise<VerifyReport> {
  const key = parsePublicKey(options.publicKey)
  const { segments, strangers, notes } = await arrange(files.map(whereNow), key, options.whole === true)
  // A file that cannot be placed keeps the place where it was given.
  const order = strangers.length > 0 ? files.map(whereNow) : segments.map((s) => s.path)
  const problems = new Problems((file) => order.indexOf(file))
  for (const stranger of strangers) problems.add(stranger)
  const held = options.heldSeal === undefined ? null : heldSeal(options.heldSeal, key)
  const state = startState(segments[0])
  const reports: SegmentReport[] = []
  const progress = progressOf(segments, options.onProgress)
  for (const [index, segment] of segments.entries()) {
    link(segments[index - 1], segment, state, problems)
    reports.push(await new SegmentCheck(segment, state, { key, held, problems, progress: progress(index) }).run())
  }
  if (options.whole) checkBeginning(segments[0], state, problems)
  else if (segments[0]?.open.previous) notes.push(`the files begin after ${segments[0].open.previous.segment}, which was not given`)
  // Without a file that cannot be placed, a seal may be missing for that reason alone.
  const checkable = held !== null && strangers.length === 0
  const found = checkable ? checkHeldSeal(held, state, reports, problems, notes) : held && state.heldSealFound
  return summary(reports, state, problems, [...notes, ...state.faults], found ?? undefined)
}

interface Arranged {
  readonly segments: Placed[]
  readonly strangers: Problem[]
  readonly notes: string[]
}

const sizeOf = (path: string): number => statSync(whereNow(path), { throwIfNoEntry: false })?.size ?? 0

/** The segments that begin with a record signed by the key, in order. Those that do not are named as problems. */
async function arrange(paths: readonly string[], key: KeyObject, whole: boolean): Promise<Arranged> {
  const heads = new Map<string, SegmentHead>()
  const strangers: Problem[] = []
  const notes: string[] = []
  const place = async (path: string): Promise<void> => {
    const { head, why } = await signedHead(path, key)
    if (!head && existsSync(path) && sizeOf(path) === 0) notes.push(`${path} is empty`)
    else if (!head) strangers.push({ file: path, line: 1, offset: 0, why })
    else if (heads.has(head.open.hash)) notes.push(`${path} is a second copy of ${head.open.segment} and was not read`)
    else heads.set(head.open.hash, head)
  }
  for (const path of paths) await place(path)
  const listed = [...heads.values()]
  const first = whole ? -1 : Math.min(...listed.map(({ open }) => open.seq))
  for (const { path } of (await withoutGaps(listed, first)).slice(listed.length)) await place(path)
  return { segments: placed([...heads.values()]), strangers, notes }
}

async function signedHead(path: string, key: KeyObject): Promise<{ head: SegmentHead | null; why: string }> {
  const none = (why: string): { head: null; why: string } => ({ head: null, why })
  try {
    // While a segment is rotated, the active path leads nowhere, and then to an empty file.
    if (sizeOf(path) === 0) await pause(ROTATION_MS)
    const head = await readHead(path)
    if (!head) return none('the file does not begin with an open record')
    if (!signatureHolds(head.line, head.open.sig, key)) {
      return none(
        head.open.public_key === rawPublicKey(key)
          ? 'the open record was changed: its signature does not hold'
          : `the segment is signed by another key (${head.open.public_key})`,
      )
    }
    return { head, why: '' }
  } catch (error) {
    return none(`cannot be read: ${reasonOf(error)}`)
  }
}

function startState(first: Placed | undefined): ChainState {
  return {
    hash: first?.open.previous?.hash ?? GENESIS,
    seq: (first?.open.seq ?? 0) - 1,
    time: '',
    segment: '',
    seal: '',
    unfinished: new Map(),
    unfinishedUntracked: 0,
    heldSealFound: false,
    removed: new Set(),
    faults: [],
  }
}

/** Ties a segment to the one before it, and goes on from what its own signed record says. */
function link(before: Placed | undefined, { path, open }: Placed, state: ChainState, problems: Problems): void {
  if (!before) {
    if (!open.previous && open.seq !== 0)
      problems.add({ file: path, line: 1, offset: 0, why: 'the first segment does not begin at sequence 0' })
    return
  }
  const { previous } = open
  if (previous?.segment !== before.open.segment) {
    const why = previous ? `${previous.segment}, which came before this segment, is not here` : 'this segment begins another ledger'
    problems.add({ file: path, line: 1, offset: 0, why })
    state.seal = ''
  } else if (previous.hash !== state.hash) {
    problems.add({ file: path, line: 1, offset: 0, why: `${previous.segment} does not end as this record says` })
  }
  state.hash = previous?.hash ?? GENESIS
  state.seq = open.seq - 1
}

/** A ledger whose first segments are gone must say so itself, or somebody else removed them. */
function checkBeginning(first: Placed | undefined, state: ChainState, problems: Problems): void {
  const before = first?.open.previous?.segment
  if (!first || before === undefined || state.removed.has(before)) return
  const why = `${before}, which came before this segment, is not here, and the ledger does not say that retention removed it`
  problems.add({ file: first.path, line: 1, offset: 0, why })
}

function heldSeal(text: string, key: KeyObject): SealLine {
  const seal = parseSeal(text.trim())
  if (!seal) throw new Error('the seal that was given is not a line of a ledger')
  if (!signatureHolds(text.trim(), seal.sig, key)) throw new Error('the seal that was given is not signed by the key that was given')
  return seal
}

/** True when the seal stands in the ledger, false when it should and does not, undefined when its part of the ledger is rightly not here. */
function checkHeldSeal(
  held: SealLine,
  state: ChainState,
  reports: readonly SegmentReport[],
  problems: Problems,
  notes: string[],
): boolean | undefined {
  if (state.heldSealFound) return true
  if (state.removed.has(held.segment)) {
    notes.push(`the seal you hold is of ${held.segment}, which retention removed`)
    return undefined
  }
  const report = reports.find((r) => r.segment === held.segment) ?? reports.at(-1)
  const cut = state.seq < held.seq ? `the ledger ends at sequence ${state.seq}` : 'the ledger was rewritten, or its part is not here'
  const why = `${cut}: the seal you hold (sequence ${held.seq}, ${held.segment} at byte ${held.offset}) is not in it`
  problems.add({ file: report?.file ?? '', line: (report?.endLine ?? 0) + 1, offset: report?.bytes ?? 0, why })
  return false
}

type Progress = (offset: number, lines: number) => void

function progressOf(segments: readonly Placed[], report: VerifyOptions['onProgress']): (index: number) => Progress {
  const sizes = segments.map(({ path, acknowledged }) => acknowledged?.bytes ?? sizeOf(path))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let before = 0
  let linesBefore = 0
  return (index) => {
    const base = before
    const baseLines = linesBefore
    before += sizes[index] ?? 0
    return (offset, lines) => {
      linesBefore = baseLines + lines
      report?.({ done: Math.min(1, (base + offset) / Math.max(1, total)), lines: linesBefore, file: segments[index]?.path ?? '' })
    }
  }
}

function summary(
  reports: SegmentReport[],
  state: ChainState,
  problems: Problems,
  notes: string[],
  found: boolean | undefined,
): VerifyReport {
  const sorted = problems.sorted()
  const unfinished = [...state.unfinished].slice(0, UNFINISHED_NAMED_MAX).map(([request, place]) => ({ request, ...place }))
  const last = reports.at(-1)
  return {
    ok: problems.count === 0,
    segments: reports,
    lines: reports.reduce((sum, r) => sum + r.lines, 0),
    seals: reports.reduce((sum, r) => sum + r.seals, 0),
    problems: sorted,
    problemCount: problems.count,
    unfinished,
    unfinishedCount: state.unfinished.size + state.unfinishedUntracked,
    notes,
    ...(found !== undefined && { heldSealFound: found }),
    ...(last && { head: { segment: last.segment, seq: state.seq, hash: state.hash, time: state.time } }),
  }
}
