/**
 * What is to be reached. `atLeast` or `atMost` is the goal; `hold`, where there is one, is what must hold on any machine. A figure that misses its goal is
 * shown as missed; one below half of it (above twice, for an upper bound), or below what must hold, ends a full bench with status 1, since machines are
 * noisy but not by that much.
 */
export const GOALS = {
  'small.write.caddy': { what: 'small answers, 32 connections: `write` over Caddy', unit: '×', atLeast: 1.0, hold: 0.85 },
  'small.write.portkey': { what: 'small answers, 32 connections: `write` over Portkey', unit: '×', atLeast: 10 },
  'small.sync.caddy': { what: 'small answers, 32 connections: `sync` over Caddy', unit: '×', atLeast: 0.75 },
  'small.sync.portkey': { what: 'small answers, 32 connections: `sync` over Portkey', unit: '×', atLeast: 6 },
  'latency.write': { what: 'one connection: `write` adds over Caddy, median', unit: 'µs', atMost: 60 },
  'latency.sync': { what: 'one connection: `sync` adds over Caddy, median', unit: 'ms', atMost: 0.7 },
  'streams.cpu': { what: 'streams, 300 at 50 tokens/s: CPU per chunk over Caddy', unit: '×', atMost: 1.3 },
  'streams.first': { what: 'streams: first byte added over the backend alone, median', unit: 'ms', atMost: 1 },
  'streams.gap': { what: 'streams: longest silence of any stream (a token is due every 20 ms)', unit: 'ms', atMost: 100 },
  'v1.portkey': { what: '/v1 chat, limits and accounts on: small answers, `write` over Portkey', unit: '×', atLeast: 8 },
  'v1.chat': { what: '/v1 chat: small answers over our own bare /chat', unit: '×', atLeast: 0.8 },
  'v1.first': { what: '/v1 chat: first byte added over the backend alone, median', unit: 'ms', atMost: 1.5 },
  'v1.large': { what: '/v1 chat: median latency with 10,000 models and 100,000 keys, over a small store', unit: '×', atMost: 1.1 },
  'v1.large.first': { what: '/v1 chat: first byte of streams with as many, over a small store', unit: '×', atMost: 1.1 },
  'memory.upload': { what: 'memory: 200 MiB upload, over idle', unit: 'MiB', atMost: 30 },
  'memory.download': { what: 'memory: 200 MiB download, over idle', unit: 'MiB', atMost: 30 },
  'memory.streams': { what: 'memory: resident with 1,000 idle streams', unit: 'MiB', atMost: 150 },
  'start.empty': { what: 'start to listening, empty store', unit: 's', atMost: 1 },
  'start.keys': { what: 'start to listening, 100,000 keys', unit: 's', atMost: 3 },
  'start.list': { what: '`portcullis key list` with 100,000 keys', unit: 's', atMost: 0.5 },
  'loop.report': { what: 'event-loop delay p99 while `report` runs', unit: 'ms', atMost: 10 },
  'loop.verify': { what: 'event-loop delay p99 while `audit verify` runs', unit: 'ms', atMost: 10 },
  'loop.query': { what: 'event-loop delay p99 while 100,000 keys are listed', unit: 'ms', atMost: 10 },
}

/** @param {keyof typeof GOALS} id */
export function judge(id, reached) {
  const { atLeast, atMost, hold } = GOALS[id]
  if (reached === undefined || !Number.isFinite(reached)) return 'not measured'
  const factor = atLeast !== undefined ? reached / atLeast : atMost / reached
  if (factor >= 1) return 'reached'
  if (factor < 0.5 || (hold !== undefined && reached < hold)) return 'FAR OFF'
  return hold !== undefined ? 'holds' : 'missed'
}

export const goalText = ({ atLeast, atMost, hold, unit }) => {
  const figure = (value) => (unit === '×' ? `${value} ×` : `${value} ${unit}`)
  return `${atLeast !== undefined ? `≥ ${figure(atLeast)}` : `≤ ${figure(atMost)}`}${hold === undefined ? '' : ` (${hold} must hold)`}`
}

export function figureText({ unit }, value) {
  if (value === undefined || !Number.isFinite(value)) return '—'
  const digits = unit === 'µs' || unit === 'MiB' ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${unit}`
}
