import pc from 'picocolors'
import type { Problem, SegmentReport, VerifyProgress, VerifyReport } from '../audit/index.ts'
import { own, visible } from '../kernel/index.ts'

const NAMED_MAX = 10
const counted = (n: number): string => n.toLocaleString('en-US')

function segmentLine(s: SegmentReport): string {
  const extra = [
    s.torn ? pc.yellow(`torn: ${s.torn.bytes} bytes of an unfinished line at byte ${s.torn.offset}`) : '',
    s.unacknowledgedBytes ? pc.yellow(`${s.unacknowledgedBytes} bytes after a failed write, never acknowledged`) : '',
  ].filter((text) => text !== '')
  return `  ${visible(s.file)}: ${counted(s.lines)} lines, ${counted(s.seals)} seals${extra.length > 0 ? `; ${extra.join('; ')}` : ''}`
}

const problemLine = ({ file, line, offset, why }: Problem): string => `  ${visible(file)}:${line} (byte ${offset}): ${visible(why)}`

function some<T>(items: readonly T[], count: number, print: (item: T) => string): string[] {
  const shown = items.slice(0, NAMED_MAX).map(print)
  return count > shown.length ? [...shown, `  … and ${counted(count - shown.length)} more (--json names them)`] : shown
}

/** What a verification found, for people. */
export function presentReport(report: VerifyReport, seconds: number): string[] {
  const { ok, segments, lines, seals, problems, problemCount, unfinished, unfinishedCount, notes, heldSealFound, head } = report
  const speed = seconds > 0 ? `, ${counted(Math.round(lines / seconds))} lines/s` : ''
  return [
    ...segments.map(segmentLine),
    ...notes.map((note) => `  note: ${visible(note)}`),
    ...(unfinishedCount > 0 ? [`${counted(unfinishedCount)} requests without an outcome (running, or cut off by a crash):`] : []),
    ...some(unfinished, unfinishedCount, ({ request, file, line }) => `  ${visible(request)} at ${visible(file)}:${line}`),
    ...(heldSealFound === undefined
      ? []
      : [`the seal that was kept is ${heldSealFound ? 'in the ledger, as it was' : pc.red('not in the ledger')}`]),
    ...(head ? [`head: sequence ${head.seq} in ${head.segment}, ${head.time}, ${head.hash}`] : []),
    ...(problemCount > 0 ? [pc.red(`${counted(problemCount)} bad ${problemCount === 1 ? 'place' : 'places'}, the first one first:`)] : []),
    ...some(problems, problemCount, problemLine),
    `${ok ? pc.green('The ledger is whole') : pc.red('The ledger is NOT whole')}: ${counted(lines)} lines, ${counted(seals)} seals${speed}`,
  ]
}

const BAR_WIDTH = 30

export function progressBar({ done, lines }: VerifyProgress): string {
  const full = Math.round(done * BAR_WIDTH)
  return `[${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(done * 100)).padStart(3)} %  ${counted(lines)} lines`
}

const COLOURS: Readonly<Record<string, (text: string) => string>> = {
  intent: pc.dim,
  outcome: pc.green,
  refused: pc.red,
  refused_summary: pc.red,
  lifecycle: pc.cyan,
  open: pc.blue,
  seal: pc.blue,
}

/** Who asked for what, in one order on all lines, so that the eye finds the same field at the same place. */
const ABOUT = ['request', 'user', 'key', 'address', 'method', 'service', 'route']

/** What follows time and event, by event: the few fields one looks for when following. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  intent: [...ABOUT, 'model', 'target'],
  outcome: [...ABOUT, 'model', 'target', 'status', 'ended', 'code', 'reason', 'total_ms'],
  refused: [...ABOUT, 'path', 'status', 'code', 'reason'],
  refused_summary: ['user', 'key', 'address', 'count', 'first', 'last'],
  lifecycle: ['what', 'detail'],
  open: ['segment', 'host', 'pid'],
  seal: ['segment', 'offset'],
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    // Spread from an object just checked: its fields are read one by one below.
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** One ledger line for people; what is not one is shown as it is, harmless. */
export function presentLine(text: string): string {
  const fields = fieldsOf(text)
  const { event, time } = fields
  if (typeof event !== 'string' || typeof time !== 'string') return visible(text)
  const shown = (own(SHOWN, event) ?? []).flatMap((name) =>
    fields[name] === undefined ? [] : [`${pc.dim(`${name}=`)}${visible(String(fields[name]))}`],
  )
  return `${visible(time)} ${(own(COLOURS, event) ?? pc.reset)(visible(event).padEnd(9))} ${shown.join(' ')}`
}
