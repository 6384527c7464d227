import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { LedgerPlace } from '../audit/index.ts'
import { GatewayError, LIMITS, reasonOf } from '../kernel/index.ts'
import type { Order, Question, Questions, Word, WorkerData } from './messages.ts'
import type { UsageLog } from './types.ts'

/** Starts the thread; a test may do it in another way. */
export type StartWorker = (data: WorkerData) => Worker

export interface ThreadParts {
  readonly data: () => WorkerData
  readonly log: UsageLog
  readonly heard: (word: Exclude<Word, { word: 'answer' | 'failed' | 'log' }>) => void
  /** It runs, for the first time or again: what it was told before is forgotten. */
  readonly started: () => void
  readonly start?: StartWorker
}

interface Waiting {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

const RESTART_MS = 250

/** The thread that keeps the accounts, as the main one sees it: started when it is first needed, and again when it breaks off, each time a little later. */
export class Thread {
  readonly #parts: ThreadParts
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | null = null
  #asked = 0
  #failures = 0
  #restart: NodeJS.Timeout | null = null
  #proven: NodeJS.Timeout | null = null
  #lastError: string | null = null
  #stopping = false

  constructor(parts: ThreadParts) {
    this.#parts = parts
  }

  get running(): boolean {
    return this.#worker !== null
  }

  /** Why it is down; null while it runs, or has not been needed. */
  get lastError(): string | null {
    return this.#worker ? null : this.#lastError
  }

  /** Lost when the thread is down; whoever tells must tell again when it has started. */
  tell(order: Exclude<Order, { order: 'ask' | 'stop' }>): void {
    this.#awake()?.postMessage(order)
  }

  ask<Q extends Question>(question: Q, asked: Questions[Q]['asked'], head: LedgerPlace | null): Promise<Questions[Q]['answer']> {
    const worker = this.#awake()
    if (!worker) return Promise.reject(down(this.#stopping ? 'the gateway is closing' : (this.#lastError ?? 'it is down')))
    this.#asked += 1
    const id = this.#asked
    return new Promise((resolve, reject) => {
      // The thread answers each question in the shape that `Questions` has for it.
      this.#waiting.set(id, { resolve: (answer) => resolve(answer as Questions[Q]['answer']), reject })
      worker.ref()
      worker.postMessage({ order: 'ask', id, question, asked, head } satisfies Order)
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#restart) clearTimeout(this.#restart)
    const worker = this.#worker
    if (!worker) return
    worker.ref()
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage({ order: 'stop' } satisfies Order)
    // Whatever it is in the midst of is a transaction, and done wholly or not at all.
    const late = setTimeout(() => void worker.terminate(), LIMITS.usageStopMsMax)
    await gone
    clearTimeout(late)
  }

  #awake(): Worker | null {
    if (!this.#worker && !this.#restart && !this.#stopping) this.#start()
    return this.#worker
  }

  #start(): void {
    const { data, start = startWorker } = this.#parts
    const worker = start(data())
    this.#worker = worker
    worker.unref()
    worker.on('message', (word: Word) => this.#hear(word))
    let why = 'the thread ended'
    worker.on('error', (error) => {
      why = reasonOf(error)
    })
    worker.on('exit', () => this.#ended(worker, why))
    this.#proven = setTimeout(() => {
      this.#failures = 0
    }, LIMITS.usageRestartMsMax).unref()
    this.#parts.started()
  }

  #hear(word: Word): void {
    if (word.word === 'log') this.#parts.log[word.level](word.fields, word.message)
    else if (word.word === 'answer') this.#settle(word.id, ({ resolve }) => resolve(word.answer))
    else if (word.word === 'failed') this.#settle(word.id, ({ reject }) => reject(down(word.reason)))
    else this.#parts.heard(word)
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (waiting) how(waiting)
  }

  #ended(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = null
    if (this.#proven) clearTimeout(this.#proven)
    const lost = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of lost) reject(down(why))
    if (this.#stopping) return
    this.#lastError = why
    const delayMs = Math.min(LIMITS.usageRestartMsMax, RESTART_MS * 2 ** this.#failures)
    this.#failures += 1
    this.#parts.log.error(
      { reason: why, delayMs },
      'usage: the thread that keeps the accounts broke off; it is started again, and reads on where it was',
    )
    this.#restart = setTimeout(() => {
      this.#restart = null
      this.#awake()
    }, delayMs).unref()
  }
}

const down = (reason: string): GatewayError => new GatewayError('STORE_UNAVAILABLE', { reason: `the accounts cannot be asked: ${reason}` })

/** Node 20 loads no .ts file in a thread, so there the sources are read as tests and `npm run dev` read them. What is built needs none of that. */
export function startWorker(workerData: WorkerData): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: LIMITS.usageHeapMiBMax, maxYoungGenerationSizeMb: LIMITS.usageYoungMiBMax }
  const options = { name: 'usage', workerData, execArgv: [], resourceLimits }
  if (import.meta.url.endsWith('.js')) return new Worker(new URL('./worker.js', import.meta.url), options)
  const source = new URL('./worker.ts', import.meta.url).href
  // Its CommonJS half, which `require` finds, does not find its own parts.
  const tsx = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace(/cjs$/, 'mjs'),
  ).href
  const text = `import(${JSON.stringify(tsx)}).then(({ tsImport }) => tsImport(${JSON.stringify(source)}, ${JSON.stringify(import.meta.url)}))`
  return new Worker(text, { ...options, eval: true })
}
