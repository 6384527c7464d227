import { existsSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import v8 from 'node:v8'
import { Command, InvalidArgumentError, Option } from 'commander'
import pc from 'picocolors'
import { listSegments } from '../audit/index.ts'
import { type Clock, LIMITS, systemClock, visible } from '../kernel/index.ts'
import type { Input, Report } from '../report/index.ts'
import { ReportBar } from './report-bar.ts'
import { EXIT, Exit, say } from './terminal.ts'

const FORMATS = ['text', 'json', 'html', 'fail2ban'] as const
type Format = (typeof FORMATS)[number]

interface Flags {
  readonly logFile?: readonly string[]
  readonly caddyLog?: readonly string[]
  readonly hours?: number
  readonly suspicious?: boolean
  readonly users?: boolean
  readonly json?: boolean
  readonly html?: boolean
  readonly format?: Format
  readonly output?: string
}

/** What happened, and what looks like an attack. Reads files only: no server need run. */
export function reportCommand(paths: () => { ledgerFile: string }, clock: Clock = systemClock): Command {
  return new Command('report')
    .description('what happened, and what looks like an attack')
    .option(
      '--log-file <file...>',
      'ledgers or old audit logs: files, patterns, directories, .gz, - for standard input (default: the whole configured ledger)',
    )
    .option('--caddy-log <file...>', "the front's JSON access log, where calls without any key are seen")
    .option('--hours <n>', 'only the last n hours, from now', hours)
    .option('--suspicious', 'only the threats, with evidence and what to do')
    .option('--users', 'only the users, and what each of them did')
    .option('--json', 'as JSON')
    .option('--html', 'as one self-contained page')
    .addOption(new Option('--format <form>', 'the form of the report').choices(FORMATS))
    .option('--output <file>', 'write there and not to standard output')
    .action((flags: Flags) => report(paths, clock, flags))
}

function hours(text: string): number {
  const n = Number(text)
  if (!/^\d+(?:\.\d+)?$/.test(text) || n <= 0 || n > 1_000_000) throw new InvalidArgumentError('want a number of hours above 0')
  return n
}

async function report(paths: () => { ledgerFile: string }, clock: Clock, flags: Flags): Promise<void> {
  const format = formatOf(flags)
  const room = await import('../report/index.ts')
  const { inputs, unreadable } = await room.findInputs(namesOf(paths, flags))
  if (unreadable.length > 0) {
    throw new Exit(EXIT.unavailable, unreadable.map(({ name, why }) => `${visible(name)} cannot be read: ${why}.`).join('\n'))
  }
  refuseOverwriting(flags.output, inputs)
  const bar = process.stderr.isTTY
    ? new ReportBar(
        clock,
        inputs.reduce((sum, input) => sum + input.bytes, 0),
      )
    : null
  const made = await room.analyse(inputs, {
    clock,
    stdin: process.stdin,
    ...(flags.hours === undefined ? {} : { hours: flags.hours }),
    onProgress: (bytes, lines) => {
      stayThrifty()
      bar?.draw(bytes, lines)
    },
  })
  bar?.clear()
  await give(await render(format, made, flags), flags.output)
  for (const note of made.report.notes) say.note(visible(note))
  if (made.report.files.some((file) => file.fault !== null)) process.exitCode = EXIT.unavailable
}

let thrifty = false
/**
 * V8 lets garbage grow to several times what is alive, and the report promises 256 MiB however large the log is. Collecting more often costs a third of the
 * speed, so only a log that fills memory pays for it.
 */
function stayThrifty(): void {
  if (thrifty || process.memoryUsage.rss() < LIMITS.reportThriftyBytes) return
  thrifty = true
  v8.setFlagsFromString('--heap-growing-percent=40')
}

function formatOf({ json, html, format }: Flags): Format {
  const asked = new Set<Format>([...(json ? ['json' as const] : []), ...(html ? ['html' as const] : []), ...(format ? [format] : [])])
  if (asked.size > 1) throw new Exit(EXIT.usage, `One report has one form; ${[...asked].join(' and ')} were asked for.`)
  const [only = 'text'] = asked
  return only
}

function namesOf(paths: () => { ledgerFile: string }, { logFile, caddyLog = [] }: Flags): readonly string[] {
  if (logFile !== undefined) return [...logFile, ...caddyLog]
  const { ledgerFile } = paths()
  const segments = listSegments(ledgerFile)
  if (segments.length === 0 && caddyLog.length === 0) {
    throw new Exit(EXIT.unavailable, `There is no ledger at ${ledgerFile}. Name a file with --log-file.`)
  }
  return [...segments, ...caddyLog]
}

/** A slip of the fingers must not replace the ledger by a report about it. */
function refuseOverwriting(output: string | undefined, inputs: readonly Input[]): void {
  if (output === undefined || !existsSync(output)) return
  const real = realpathSync(output)
  if (inputs.some(({ path }) => path !== null && realpathSync(path) === real)) {
    throw new Exit(EXIT.usage, `${output} is one of the logs to read; write the report somewhere else.`)
  }
}

async function render(format: Format, made: Report, flags: Flags): Promise<string> {
  const room = await import('../report/index.ts')
  const sections = room.chosenSections(flags)
  const forms: Readonly<Record<Format, () => string>> = {
    text: () => room.toText(made, { sections, colour: flags.output === undefined && pc.isColorSupported }),
    json: () => room.toJson(made, sections),
    html: () => room.toHtml(made, sections),
    fail2ban: () => room.toFail2ban(made),
  }
  return forms[format]()
}

/** To a file nobody else may read, because a report names people and addresses; whole or not at all. */
async function give(text: string, output: string | undefined): Promise<void> {
  if (output === undefined) {
    // `report | head` closes our output; that is the end of the work, and no fault.
    await new Promise<void>((done) => {
      process.stdout.once('error', () => done())
      process.stdout.write(text, () => done())
    })
    return
  }
  const temporary = `${output}.part`
  try {
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, output)
  } catch (error) {
    throw new Exit(EXIT.unavailable, `The report cannot be written to ${output}: ${say.reason(error)}`)
  }
  say.note(`The report is in ${output}.`)
}
