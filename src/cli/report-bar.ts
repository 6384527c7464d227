import type { Clock } from '../kernel/index.ts'

const PATIENCE_MS = 500
const DRAW_EVERY_MS = 100
const WIDTH = 30

/** A bar for work that takes long enough to be wondered about; a short report never shows it. */
export class ReportBar {
  readonly #clock: Clock
  readonly #bytesTotal: number
  readonly #begunMs: number
  #drawnMs = 0
  #drawn = false

  /** `bytesTotal` is 0 where nobody can know it, as with a pipe. */
  constructor(clock: Clock, bytesTotal: number) {
    this.#clock = clock
    this.#bytesTotal = bytesTotal
    this.#begunMs = clock.monoMs()
  }

  draw(bytesDone: number, lines: number): void {
    const nowMs = this.#clock.monoMs()
    if (nowMs - this.#begunMs < PATIENCE_MS || nowMs - this.#drawnMs < DRAW_EVERY_MS) return
    this.#drawnMs = nowMs
    this.#drawn = true
    process.stderr.write(`\r${this.#text(bytesDone, lines, (nowMs - this.#begunMs) / 1_000)}\u001b[K`)
  }

  clear(): void {
    if (this.#drawn) process.stderr.write('\r\u001b[K')
  }

  #text(bytesDone: number, lines: number, seconds: number): string {
    const speed = `${lines.toLocaleString('en-US')} lines, ${Math.round(lines / seconds).toLocaleString('en-US')}/s`
    if (this.#bytesTotal === 0) return `${Math.round(bytesDone / 1_048_576)} MiB, ${speed}`
    const done = Math.min(1, bytesDone / this.#bytesTotal)
    const full = Math.round(done * WIDTH)
    const left = done > 0 ? `, ${Math.ceil((seconds / done) * (1 - done))} s left` : ''
    return `[${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}] ${String(Math.floor(done * 100)).padStart(3)} %  ${speed}${left}`
  }
}
