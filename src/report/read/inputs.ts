import { accessSync, constants, existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expandFiles } from '../../audit/index.ts'
import { chunksOf, fileBytes } from './chunks.ts'
import { tellLine } from './line.ts'
import { isFields, numberOf, textOf } from './told.ts'

/** One file to read, or the standard input where `path` is null. */
export interface Input {
  /** As the person gave it, for evidence. */
  readonly name: string
  readonly path: string | null
  readonly bytes: number
  /** Unpacked bytes after which to stop: a segment that a failed write ended holds lines after this that were never acknowledged and stand again in the next one. */
  readonly bytesMax: number
}

export interface Unreadable {
  readonly name: string
  readonly why: string
}

export interface Inputs {
  readonly inputs: readonly Input[]
  readonly unreadable: readonly Unreadable[]
}

const LOG_NAME = /\.log(?:[.-].*)?$|\.jsonl?(?:\.gz)?$/

/** The files behind names, patterns and directories, each once, in the order in which their lines were written. */
export async function findInputs(names: readonly string[]): Promise<Inputs> {
  const unreadable: Unreadable[] = []
  const files = new Map<string, string>()
  let stdin = false
  for (const name of names) {
    if (name === '-') {
      stdin = true
      continue
    }
    const found = expand(name)
    if (typeof found === 'string') unreadable.push({ name, why: found })
    else for (const path of found) files.set(realpathSync(path), path)
  }
  for (const [real, path] of files) {
    const why = whyNot(real)
    if (why === '') continue
    unreadable.push({ name: path, why })
    files.delete(real)
  }
  const inputs = await inOrder([...files.values()])
  if (stdin) inputs.push({ name: '-', path: null, bytes: 0, bytesMax: Number.POSITIVE_INFINITY })
  return { inputs, unreadable }
}

/** The files of a name, or why there are none. */
function expand(name: string): string[] | string {
  const paths = matching(name).filter((path) => existsSync(path))
  if (paths.length === 0) return /[*?]/.test(name) ? 'no file matches' : 'there is no such file'
  const logs = paths.flatMap((path) => (isDirectory(path) ? logsIn(path) : [path]))
  return logs.length > 0 ? logs : 'it is a directory with no logs in it'
}

/** A shell does this too, but cron, systemd and quotes do not. */
function matching(name: string): string[] {
  try {
    return expandFiles([name])
  } catch {
    return []
  }
}

const isDirectory = (path: string): boolean => statSync(path).isDirectory()

const logsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((entry) => LOG_NAME.test(entry))
    .sort()
    .map((entry) => join(directory, entry))
    .filter((path) => !isDirectory(path))

function whyNot(path: string): string {
  try {
    accessSync(path, constants.R_OK)
    return ''
  } catch {
    return 'it may not be read by this user'
  }
}

interface Opening {
  readonly path: string
  readonly firstMs: number
  /** Of a ledger segment: its name, its first line's hash, and what it says of the one before. */
  readonly segment: string
  readonly hash: string
  readonly previous: string
  readonly previousBytes: number
}

async function inOrder(paths: readonly string[]): Promise<Input[]> {
  const openings: Opening[] = []
  for (const path of paths) openings.push(await peek(path))
  openings.sort((a, b) => a.firstMs - b.firstMs || (a.path < b.path ? -1 : 1))
  const cut = new Map(openings.filter((o) => o.previousBytes >= 0).map((o) => [o.previous, o.previousBytes]))
  const seen = new Set<string>()
  return openings.flatMap((opening) => {
    // A crash between compressing a segment and removing it leaves both; they open with the same record.
    if (opening.hash !== '' && seen.has(opening.hash)) return []
    seen.add(opening.hash)
    const bytesMax = cut.get(opening.segment) ?? Number.POSITIVE_INFINITY
    return [{ name: opening.path, path: opening.path, bytes: statSync(opening.path).size, bytesMax }]
  })
}

/** When a file begins, and how a ledger segment is tied to the one before it. */
async function peek(path: string): Promise<Opening> {
  const file = statSync(path)
  const unknown: Opening = { path, firstMs: file.mtimeMs, segment: basename(path), hash: '', previous: '', previousBytes: -1 }
  // A pipe such as <(zcat …) can be read only once.
  if (!file.isFile()) return unknown
  try {
    for await (const chunk of chunksOf(fileBytes(path), () => {})) {
      for (const line of chunk.toString('utf8').split('\n')) {
        const bytes = Buffer.from(line.trim())
        const told = tellLine(bytes, 0, bytes.length)
        if (told.what === 'malformed') continue
        return told.what === 'note' && told.event === 'open'
          ? { ...unknown, firstMs: told.atMs, ...openRecord(line) }
          : { ...unknown, firstMs: told.atMs }
      }
      break
    }
  } catch {
    // Unreadable now is unreadable when its turn comes, and is said then.
  }
  return unknown
}

function openRecord(line: string): Pick<Opening, 'segment' | 'hash' | 'previous' | 'previousBytes'> {
  const record: unknown = JSON.parse(line)
  if (!isFields(record)) return { segment: '', hash: '', previous: '', previousBytes: -1 }
  const previous = isFields(record.previous) ? record.previous : {}
  return {
    segment: textOf(record.segment),
    hash: textOf(record.hash),
    previous: textOf(previous.segment),
    previousBytes: previous.broken === true ? numberOf(previous.bytes, -1) : -1,
  }
}
