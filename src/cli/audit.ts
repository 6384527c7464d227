import { createPublicKey } from 'node:crypto'
import { createWriteStream, renameSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import { Command, InvalidArgumentError } from 'commander'
import {
  expandFiles,
  exportCsv,
  listSegments,
  publicKeyFileOf,
  readLedger,
  sealFileOf,
  tailLedger,
  type VerifyProgress,
  verifyLedger,
} from '../audit/index.ts'
import { visible } from '../kernel/index.ts'
import { presentLine, presentReport, progressBar } from './audit-print.ts'
import { isThere, readText } from './places.ts'
import { EXIT, Exit, say } from './terminal.ts'

/** Where the ledger and its keys are when no argument says otherwise. */
export type LedgerPaths = () => { ledgerFile: string; dataDir: string }

interface VerifyFlags {
  readonly publicKey?: string
  readonly seal?: string
  readonly json?: boolean
}

interface TailFlags {
  readonly follow?: boolean
  readonly lines: number
  readonly json?: boolean
}

interface ExportFlags {
  readonly csv?: boolean
  readonly output?: string
}

export function auditCommand(paths: LedgerPaths): Command {
  const command = new Command('audit').description('verify, follow and export the ledger')
  command
    .command('verify [files...]')
    .description('check every line, chain and seal; the whole ledger when no files are given')
    .option('--public-key <file>', 'the ledger.pub to check signatures with')
    .option('--seal <file>', 'a seal you kept elsewhere (from `audit head`): finds a tail that was cut off')
    .option('--json', 'the report as JSON')
    .action((files: string[], flags: VerifyFlags) => verify(paths, files, flags))
  command
    .command('tail')
    .description('the latest lines')
    .option('-f, --follow', 'go on with new lines, through rotations')
    .option('-n, --lines <count>', 'how many to begin with', wholeNumber, 10)
    .option('--json', 'lines as they stand in the ledger')
    .action((flags: TailFlags) => tail(paths, flags))
  command
    .command('head')
    .description('the latest seal: keep it somewhere else, and `verify --seal` shows that nothing before it was cut or changed')
    .action(() => head(paths))
  command
    .command('export [files...]')
    .description('the ledger for a spreadsheet')
    .option('--csv', 'as CSV')
    .option('--output <file>', 'write there and not to standard output')
    .action((files: string[], flags: ExportFlags) => exportLedger(paths, files, flags))
  return command
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('want a whole number')
  return Number(text)
}

function readable(file: string, what: string): string {
  if (!isThere(file)) throw new Exit(EXIT.unavailable, `There is no ${what} at ${file}.`)
  return readText(file)
}

/** A file that holds something else is named here; further in only its text is known. */
function publicKeyIn(file: string): string {
  const text = readable(file, 'public key')
  if (isPublicKey(text)) return text
  throw new Exit(
    EXIT.unavailable,
    `${file} holds no Ed25519 public key. Name the ledger.pub of the gateway's data directory, or a copy of it: it begins with -----BEGIN PUBLIC KEY-----`,
  )
}

function isPublicKey(text: string): boolean {
  try {
    return createPublicKey(text).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

function sealIn(file: string): string {
  const text = readable(file, 'seal')
  if (/^\{.*"event":"seal".*\}$/.test(text.trim())) return text
  throw new Exit(
    EXIT.unavailable,
    `${file} holds no seal. Name a file that has one line of the ledger in it, as \`portcullis audit head\` prints it.`,
  )
}

/** The files that were named, or the whole ledger. */
function segmentsOf(paths: LedgerPaths, names: readonly string[]): { files: string[]; whole: boolean } {
  if (names.length > 0) {
    const files = expandFiles(names)
    const missing = files.filter((file) => !isThere(file) && !isThere(`${file}.gz`))
    if (missing.length > 0 || files.length === 0)
      throw new Exit(EXIT.unavailable, `There is no file ${missing.join(', ') || names.join(', ')}.`)
    return { files, whole: false }
  }
  const { ledgerFile } = paths()
  return { files: segmentsAt(ledgerFile), whole: true }
}

function segmentsAt(ledgerFile: string): string[] {
  isThere(ledgerFile) // a directory that this user may not look into must not pass for one without a ledger
  const files = listSegments(ledgerFile)
  if (files.length === 0) throw new Exit(EXIT.unavailable, `There is no ledger at ${ledgerFile}.`)
  return files
}

async function verify(paths: LedgerPaths, names: readonly string[], flags: VerifyFlags): Promise<void> {
  const { files, whole } = segmentsOf(paths, names)
  const publicKey = publicKeyIn(flags.publicKey ?? publicKeyFileOf(paths().dataDir))
  const heldSeal = sealText(paths, flags.seal, whole)
  const bar = process.stderr.isTTY && flags.json !== true ? new Bar() : null
  const begun = performance.now()
  const report = await verifyLedger(files, {
    publicKey,
    whole,
    ...(heldSeal !== undefined && { heldSeal }),
    ...(bar && { onProgress: (progress: VerifyProgress) => bar.draw(progress) }),
  })
  bar?.clear()
  say.out(flags.json ? JSON.stringify(report, null, 2) : presentReport(report, (performance.now() - begun) / 1_000).join('\n'))
  if (!report.ok) process.exitCode = EXIT.negative
}

/** The seal that was named; else, for a whole ledger, the latest one that the gateway left in the data directory. */
function sealText(paths: LedgerPaths, file: string | undefined, whole: boolean): string | undefined {
  if (file !== undefined) return sealIn(file)
  const own = whole ? sealFileOf(paths().dataDir) : ''
  return own !== '' && isThere(own) ? readText(own) : undefined
}

const DRAW_EVERY_MS = 100

class Bar {
  #drawnMs = 0

  draw(progress: VerifyProgress): void {
    if (performance.now() - this.#drawnMs < DRAW_EVERY_MS) return
    this.#drawnMs = performance.now()
    process.stderr.write(`\r${progressBar(progress)}\u001b[K`)
  }

  clear(): void {
    process.stderr.write('\r\u001b[K')
  }
}

/** `audit tail | head` closes our output; that is the end of the work, and no fault. */
function endWithReader(): AbortSignal {
  const ended = new AbortController()
  process.stdout.on('error', () => ended.abort())
  return ended.signal
}

async function tail(paths: LedgerPaths, { follow = false, lines, json = false }: TailFlags): Promise<void> {
  const { ledgerFile } = paths()
  if (!follow) segmentsAt(ledgerFile)
  const signal = endWithReader()
  for await (const line of tailLedger(ledgerFile, { follow, last: lines, signal })) {
    if (signal.aborted) break
    // A ledger line is ASCII; a file that somebody changed may hold anything.
    say.out(json ? visible(line) : presentLine(line))
  }
}

function head(paths: LedgerPaths): void {
  const { ledgerFile, dataDir } = paths()
  const file = sealFileOf(dataDir)
  if (!isThere(file))
    throw new Exit(EXIT.unavailable, `There is no seal yet in ${dataDir}: the gateway makes one some seconds after its first line.`)
  say.out(visible(readText(file).trim()))
  say.note(
    `The latest seal of ${ledgerFile}. Keep it where nobody who can change the ledger can change it; check with: portcullis audit verify --seal FILE`,
  )
}

async function exportLedger(paths: LedgerPaths, names: readonly string[], { csv = false, output }: ExportFlags): Promise<void> {
  if (!csv) throw new Exit(EXIT.usage, 'Say which form: portcullis audit export --csv')
  const { files } = segmentsOf(paths, names)
  const { rows, malformedCount, malformed } = output === undefined ? await toStdout(files) : await toFile(files, output)
  say.note(`${rows} rows${output === undefined ? '' : ` written to ${output}`}`)
  if (malformedCount > 0)
    say.note(`${malformedCount} lines are not ledger lines and were left out: ${visible(malformed.slice(0, 10).join(', '))}`)
}

async function toStdout(files: readonly string[]): ReturnType<typeof exportCsv> {
  endWithReader()
  return exportCsv(readLedger(files), process.stdout)
}

async function toFile(files: readonly string[], output: string): ReturnType<typeof exportCsv> {
  // Beside it first: a half-written export must not be taken for a whole one.
  const temporary = `${output}.part`
  const out = createWriteStream(temporary, { mode: 0o600 })
  const exported = await exportCsv(readLedger(files), out)
  out.end()
  await finished(out)
  renameSync(temporary, output)
  return exported
}
