import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { readHead, whereNow } from './heads.ts'
import { listSegments } from './names.ts'
import { parseOpen } from './record.ts'

/** A line as it stands in its file; empty ones are left out, though they are counted. */
export interface RawLine {
  readonly file: string
  readonly line: number
  readonly text: string
}

const NEWLINE = '\n'

async function* linesOf(file: string): AsyncGenerator<RawLine> {
  const path = whereNow(file)
  const plain = createReadStream(path)
  const source = path.endsWith('.gz') ? plain.pipe(createGunzip()) : plain
  plain.on('error', (error) => source.destroy(error))
  // A decoder, because a chunk may end within a character of a line that this ledger did not write.
  const decoder = new TextDecoder()
  let carry = ''
  let line = 0
  try {
    for await (const chunk of source) {
      const parts = (carry + decoder.decode(chunk, { stream: true })).split(NEWLINE)
      carry = parts.pop() ?? ''
      for (const text of parts) {
        line += 1
        if (text !== '') yield { file: path, line, text }
      }
    }
    if (carry !== '') yield { file: path, line: line + 1, text: carry }
  } finally {
    plain.destroy()
  }
}

/** Names with `*` or `?` in their last part, expanded and in order; others as they are. */
export function expandFiles(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (!/[*?]/.test(basename(name)) || existsSync(name)) return [name]
    const pattern = basename(name).replace(/[.+^${}()|[\]\\]/g, '\\$&')
    const matcher = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`)
    return (
      readdirSync(dirname(name))
        // `audit*` means the segments, not the lock of their writer.
        .filter((entry) => matcher.test(entry) && !entry.endsWith('.lock'))
        .sort()
        .map((entry) => join(dirname(name), entry))
    )
  })
}

/** Every line of some ledger files, plain or gzipped, in the order of the files. */
export async function* readLedger(names: readonly string[]): AsyncGenerator<RawLine> {
  for (const file of expandFiles(names)) yield* linesOf(file)
}

export interface TailOptions {
  readonly follow: boolean
  /** How many of the latest lines to begin with. */
  readonly last: number
  readonly signal?: AbortSignal
  readonly pollMs?: number
}

/** The latest lines of a ledger and, if asked, those that follow, through rotations. */
export async function* tailLedger(file: string, options: TailOptions): AsyncGenerator<string> {
  const cursor = new Cursor(file)
  try {
    yield* await cursor.begin(options.last)
    if (!options.follow) return
    while (!options.signal?.aborted) {
      yield* await cursor.more()
      await pause(options.pollMs ?? 200, undefined, options.signal ? { signal: options.signal } : {}).catch(() => undefined)
    }
  } finally {
    await cursor.close()
  }
}

const WINDOW = 256 * 1024

/** A place in the active segment. The open descriptor stays with a file that is renamed, so that its last lines are not missed. */
class Cursor {
  readonly #file: string
  #handle: FileHandle | null = null
  #position = 0
  #carry = ''
  #seq = -1

  constructor(file: string) {
    this.#file = file
  }

  async begin(last: number): Promise<string[]> {
    // The active segment first and through its descriptor, so that nothing written meanwhile is shown twice or never.
    let lines: string[] = []
    if (existsSync(this.#file)) {
      await this.#enter(0)
      if (this.#handle) ({ lines, end: this.#position } = await lastOfHandle(this.#handle, last))
    }
    for (const path of listSegments(this.#file).reverse()) {
      if (lines.length >= last) break
      if (path !== this.#file) lines = [...(await lastOf(path, last - lines.length)), ...lines]
    }
    return lines
  }

  async more(): Promise<string[]> {
    const lines = await this.#read()
    if (this.#handle && (await this.#isActive())) return lines
    // Rotated. Its last lines may have come between the read and the question.
    lines.push(...(await this.#read()))
    const entered = this.#seq
    if (!existsSync(this.#file) || !(await this.#enter(0))) return lines
    // Segments that began and ended since the last look stand between the old file and the new one.
    for (const path of await this.#between(entered, this.#seq)) for await (const { text } of linesOf(path)) lines.push(text)
    return [...lines, ...(await this.#read())]
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = null
  }

  /** False when the file has no open record yet; the old one is then kept until it has. */
  async #enter(position: number): Promise<boolean> {
    const handle = await open(this.#file, 'r')
    const seq = await openSeq(handle)
    if (seq === null) {
      await handle.close()
      return false
    }
    await this.close()
    this.#handle = handle
    this.#position = position
    this.#carry = ''
    this.#seq = seq
    return true
  }

  async #isActive(): Promise<boolean> {
    if (!this.#handle || !existsSync(this.#file)) return false
    const [mine, named] = [await this.#handle.stat(), statSync(this.#file)]
    return mine.ino === named.ino && mine.dev === named.dev
  }

  async #between(after: number, before: number): Promise<string[]> {
    const found: string[] = []
    for (const path of listSegments(this.#file).reverse()) {
      const head = await readHead(path)
      if (head && head.open.seq <= after) break
      if (head && head.open.seq < before) found.unshift(head.path)
    }
    return found
  }

  async #read(): Promise<string[]> {
    const lines: string[] = []
    const buffer = Buffer.allocUnsafe(WINDOW)
    while (this.#handle) {
      const { bytesRead } = await this.#handle.read(buffer, 0, WINDOW, this.#position)
      if (bytesRead === 0) break
      this.#position += bytesRead
      const parts = (this.#carry + buffer.toString('latin1', 0, bytesRead)).split(NEWLINE)
      this.#carry = parts.pop() ?? ''
      lines.push(...parts.filter((text) => text !== ''))
    }
    return lines
  }
}

/** The sequence that a segment begins with, read through its descriptor, since its path may lead elsewhere by now. */
async function openSeq(handle: FileHandle): Promise<number | null> {
  const buffer = Buffer.alloc(16 * 1024)
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
  const first = buffer.toString('latin1', 0, bytesRead).split(NEWLINE)[0] ?? ''
  return parseOpen(first)?.seq ?? null
}

async function lastOf(path: string, count: number): Promise<string[]> {
  const file = whereNow(path)
  if (!file.endsWith('.gz')) {
    const handle = await open(file, 'r')
    try {
      return (await lastOfHandle(handle, count)).lines
    } finally {
      await handle.close()
    }
  }
  const lines: string[] = []
  for await (const { text } of linesOf(file)) {
    lines.push(text)
    if (lines.length > count) lines.shift()
  }
  return lines
}

/** The last whole lines of a plain file, read from its end, and where they end. */
async function lastOfHandle(handle: FileHandle, count: number): Promise<{ lines: string[]; end: number }> {
  const { size } = await handle.stat()
  for (let window = WINDOW; ; window *= 4) {
    const from = Math.max(0, size - window)
    const bytes = Buffer.alloc(size - from)
    await handle.read(bytes, 0, bytes.length, from)
    const upTo = bytes.lastIndexOf(NEWLINE) + 1
    const lines = bytes
      .toString('latin1', 0, upTo)
      .split(NEWLINE)
      .slice(from === 0 ? 0 : 1)
      .filter((text) => text !== '')
    if (lines.length >= count || from === 0) return { lines: count === 0 ? [] : lines.slice(-count), end: from + upTo }
  }
}
