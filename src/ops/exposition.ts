export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels?: Labels
  readonly value: number | Spread
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly Sample[]
}

/** How often a value fell into each bucket; the last one takes what is above every bound. */
export class Spread {
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
    counts[at] = (counts[at] ?? 0) + 1
    this.sum += value
  }
}

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Prometheus' text format 0.0.4. */
export const exposed = (families: readonly Family[]): string => families.map(family).join('\n')

function family({ name, help, type, samples }: Family): string {
  const lines = samples.flatMap(({ labels = {}, value }) =>
    value instanceof Spread ? spreadLines(name, labels, value) : [line(name, labels, value)],
  )
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

/** Each bucket counts what is not above its bound, so it holds all the smaller ones. */
function spreadLines(name: string, labels: Labels, { bounds, counts, sum }: Spread): string[] {
  let total = 0
  const buckets = [...counts].map((count, at) => {
    total += count
    return line(`${name}_bucket`, { ...labels, le: String(bounds[at] ?? '+Inf') }, total)
  })
  return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, total)]
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll(/[\\"\n]/g, escaped)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`
}

const escaped = (character: string): string => (character === '\n' ? '\\n' : `\\${character}`)
