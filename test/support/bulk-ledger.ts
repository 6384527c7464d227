import { closeSync, openSync, writeSync } from 'node:fs'
import { Random } from './random.ts'

export interface BulkOptions {
  readonly lines: number
  readonly startMs: number
  readonly seed: number
  /** Another address, user, key id, path and model in each line, as a log has that somebody fills on purpose. */
  readonly hostile?: boolean
}

const ROUTES = [
  'POST","route":"/chat/api/generate","service":"chat","model":"llama3.2:3b',
  'POST","route":"/chat/api/chat","service":"chat","model":"qwen3:8b',
  'POST","route":"/tts/api/speak","service":"tts","model":"tts-1',
  'POST","route":"/image/api/generate/simple","service":"image","model":"sd15',
  'GET","route":"/chat/api/tags","service":"chat","model":"none',
] as const
const HASH = '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9'

/** A large ledger written fast: real line shapes, no real chain. */
export function writeBulkLedger(path: string, options: BulkOptions): void {
  const random = new Random(options.seed)
  const file = openSync(path, 'w')
  const users = Array.from({ length: 200 }, (_, n) => ({
    user: `user-${n}`,
    key: random.base62(12),
    address: `198.51.${n}.${random.int(1, 254)}`,
  }))
  let atMs = options.startMs
  let text = ''
  let seq = 0
  const flush = (): void => {
    writeSync(file, text)
    text = ''
  }
  while (seq < options.lines) {
    atMs += random.int(0, 400)
    const who = options.hostile ? invented(random) : random.of(users)
    const head = (event: string): string =>
      `{"v":1,"time":"${new Date(atMs).toISOString()}","seq":${seq},"event":"${event}","request":"req_${seq >> 1}"`
    if (options.hostile ? random.chance(0.7) : random.chance(0.03)) {
      const reason = random.of(['malformed', 'unknown_key', 'disabled'])
      const path = options.hostile ? `/${random.base62(8)}/../${random.base62(8)}` : '/chat/api/generate'
      text += `${head('refused')},"tenant":"default","key":"${who.key}","address":"${who.address}","method":"POST","route":"","service":"gate","status":401,"code":"UNAUTHORIZED","reason":"${reason}","path":"${path}","hash":"${HASH}"}\n`
      seq += 1
    } else {
      const route = options.hostile
        ? `POST","route":"/${random.base62(6)}","service":"${random.base62(4)}","model":"${random.base62(9)}`
        : random.of(ROUTES)
      const about = `,"tenant":"default","kind":"key","user":"${who.user}","key":"${who.key}","address":"${who.address}","method":"${route}","agent":"python-requests/2.32"`
      text += `${head('intent')}${about},"hash":"${HASH}"}\n`
      seq += 1
      const status = random.chance(0.02) ? 502 : 200
      text += `${head('outcome').replace(/req_\d+/, `req_${(seq - 1) >> 1}`)}${about},"status":${status},"bytes_in":${random.int(100, 4_000)},"bytes_out":${random.int(100, 90_000)},"units":{"tokens_in":${random.int(1, 900)},"tokens_out":${random.int(1, 900)}},"first_byte_ms":${random.int(20, 900)},"total_ms":${random.int(100, 20_000)},"ended":"complete","hash":"${HASH}"}\n`
      seq += 1
    }
    if (text.length > 1_000_000) flush()
  }
  flush()
  closeSync(file)
}

const invented = (random: Random) => ({
  user: random.base62(9),
  key: random.base62(12),
  address: random.chance(0.5)
    ? `${random.int(1, 223)}.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(0, 255)}`
    : `2001:db8:${random.int(0, 65_535).toString(16)}:${random.int(0, 65_535).toString(16)}::${random.int(1, 65_535).toString(16)}`,
})
