import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { LIMITS } from '../kernel/index.ts'
import { DISK_WORKER_SOURCE, ORDER_STOP, ORDER_WRITE, WORDS } from './disk-worker.ts'
import type { SyncMode } from './types.ts'

export type Written = (error: Error | null) => void

/** Puts one batch at the end of a file. One call at a time; `done` is called exactly once, at once or later. */
export interface Disk {
  readonly mode: SyncMode
  /** `newFile`: the directory entry must be durable too. */
  append(fd: number, bytes: Buffer, newFile: boolean, done: Written): void
  stop(): void
}

export function syncDirectory(file: string): void {
  const fd = openSync(dirname(file), 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** One write, whole or an error: the rest of a short write is not tried again, because what stands in the file is then not one write any more. */
export function writeWhole(fd: number, bytes: Buffer): void {
  const written = writeSync(fd, bytes, 0, bytes.length)
  if (written !== bytes.length) throw new Error(`short write: ${written} of ${bytes.length} bytes`)
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

/** Into the page cache, on the main thread: a few microseconds, which no thread change could beat. */
class CacheDisk implements Disk {
  readonly mode = 'write'

  append(fd: number, bytes: Buffer, _newFile: boolean, done: Written): void {
    let failure: Error | null = null
    try {
      writeWhole(fd, bytes)
    } catch (error) {
      failure = asError(error)
    }
    done(failure)
  }

  stop(): void {}
}

const SHARED_BYTES = LIMITS.ledgerBatchBytesMax + 256 * 1024

/** Write and fdatasync in a thread of its own. */
class SyncDisk implements Disk {
  readonly mode = 'sync'
  readonly #dir: string
  readonly #words = new Int32Array(new SharedArrayBuffer(WORDS * 4))
  readonly #bytes = Buffer.from(new SharedArrayBuffer(SHARED_BYTES))
  #worker: Worker | null = null
  #done: Written | null = null

  constructor(file: string) {
    this.#dir = dirname(file)
    this.#start()
  }

  append(fd: number, bytes: Buffer, newFile: boolean, done: Written): void {
    if (bytes.length > SHARED_BYTES) {
      done(new Error(`a batch of ${bytes.length} bytes is too long`))
      return
    }
    if (!this.#worker) this.#start()
    this.#done = done
    // Alive while a batch is in flight, so that no process ends under it; otherwise it must not keep a finished command running.
    this.#worker?.ref()
    bytes.copy(this.#bytes)
    this.#words[2] = fd
    this.#words[3] = bytes.length
    this.#words[4] = newFile ? 1 : 0
    this.#order(ORDER_WRITE)
  }

  stop(): void {
    this.#order(ORDER_STOP)
    this.#worker = null
  }

  #order(order: number): void {
    this.#words[1] = order
    Atomics.add(this.#words, 0, 1)
    Atomics.notify(this.#words, 0)
  }

  #start(): void {
    // A fresh thread counts turns from 0; the words of a dead one are of no use to it.
    this.#words.fill(0)
    const worker = new Worker(DISK_WORKER_SOURCE, {
      eval: true,
      name: 'ledger-disk',
      execArgv: [],
      workerData: { words: this.#words.buffer, bytes: this.#bytes.buffer, dir: this.#dir },
    })
    this.#worker = worker
    worker.on('message', (failure: { message: string; code?: string } | null) => {
      this.#answer(failure && Object.assign(new Error(failure.message), failure.code === undefined ? {} : { code: failure.code }))
    })
    const lost = (why: Error): void => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#answer(why)
    }
    worker.on('error', (error) => lost(asError(error)))
    worker.on('exit', () => lost(new Error('the thread that writes the ledger ended')))
    worker.unref()
  }

  #answer(failure: Error | null): void {
    const done = this.#done
    this.#done = null
    this.#worker?.unref()
    done?.(failure)
  }
}

export const openDisk = (mode: SyncMode, file: string): Disk => (mode === 'sync' ? new SyncDisk(file) : new CacheDisk())

/** For files that are written once, such as a compressed segment. */
export function syncFile(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
