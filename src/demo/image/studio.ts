import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../kernel/index.ts'
import type { ImageOrder } from './order.ts'
import { createPainting, type Painting } from './painting.ts'
import { encodePng } from './png.ts'

/** Longest stretch of painting between two turns of the event loop. */
const STRETCH_MS = 6

export interface Job {
  readonly order: ImageOrder
  readonly startedMs: number
  readonly timestamp: string
  image: number
  step: number
  skipped: boolean
  interrupted: boolean
}

/** One easel: jobs wait for each other, and nothing but `interrupt` stops one, not even that its caller has left. */
export interface Studio {
  paint(order: ImageOrder, textOf: (order: ImageOrder) => string): Promise<{ readonly job: Job; readonly images: readonly Buffer[] }>
  current(): Job | null
  interrupt(): void
  skip(): void
  close(): void
}

export function createStudio(clock: Clock, stepMs: number): Studio {
  let job: Job | null = null
  let last: Promise<unknown> = Promise.resolve()
  let closed = false

  const paintOne = async (current: Job, order: ImageOrder): Promise<Painting> => {
    const painting = createPainting(order)
    let row = 0
    current.skipped = false
    for (current.step = 0; current.step < order.steps && !current.interrupted && !current.skipped && !closed; current.step += 1) {
      const startedMs = clock.monoMs()
      for (let turnMs = startedMs; row < painting.rowsAfter(current.step + 1); row += 1) {
        painting.paintRow(row)
        if (clock.monoMs() - turnMs < STRETCH_MS) continue
        await nextTurn()
        turnMs = clock.monoMs()
      }
      const restMs = stepMs - (clock.monoMs() - startedMs)
      if (restMs > 0) await delay(restMs)
    }
    painting.sign()
    return painting
  }

  const work: Studio['paint'] = async (order, textOf) => {
    const current: Job = {
      order,
      startedMs: clock.monoMs(),
      timestamp: stamp(clock),
      image: 0,
      step: 0,
      skipped: false,
      interrupted: false,
    }
    job = current
    try {
      const images: Buffer[] = []
      for (; current.image < order.images && !current.interrupted && !closed; current.image += 1) {
        const one = { ...order, seed: (order.seed + current.image) % 2 ** 32 }
        const { canvas } = await paintOne(current, one)
        images.push(await encodePng(canvas, { parameters: textOf(one) }))
      }
      return { job: current, images }
    } finally {
      job = null
    }
  }

  return {
    paint(order, textOf) {
      const mine = last.then(() => work(order, textOf))
      last = mine.catch(() => {})
      return mine
    },
    current: () => job,
    interrupt() {
      if (job !== null) job.interrupted = true
    },
    skip() {
      if (job !== null) job.skipped = true
    },
    close() {
      closed = true
    },
  }
}

const stamp = (clock: Clock): string => new Date(clock.nowMs()).toISOString().replaceAll(/\D/g, '').slice(0, 14)
