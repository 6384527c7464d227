import type { Interrupt, UpstreamRequest, WholeAnswer } from '../../dialects/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import type { Lines } from './lines.ts'

const ASK_EVERY_MS = 200
const ASK_MS_MAX = 60_000
/** Between two jobs there is a moment with none, and our own may not have been taken up yet: only a second without any is idleness. */
const IDLE_ASKS_MAX = 5

/** Where a backend is, and what it wants to see of us. */
export interface Reach {
  readonly lines: Lines
  readonly basePath: string
  readonly headers: Readonly<Record<string, string>>
}

async function ask({ lines, basePath, headers: own }: Reach, request: UpstreamRequest): Promise<WholeAnswer> {
  const { statusCode, headers, body } = await lines.request({
    method: request.method,
    path: basePath + request.path,
    headers: { ...request.headers, ...own },
    body: request.body,
    headersTimeout: LIMITS.probeMsMax,
    bodyTimeout: LIMITS.probeMsMax,
  })
  return { status: statusCode, contentType: String(headers['content-type'] ?? ''), body: Buffer.from(await body.arrayBuffer()) }
}

/**
 * Stops a job whose caller has left, and only that job: `interrupt` is global, so it is sent only while the backend says that ours is
 * the one at work. A job that still waits behind somebody else's is asked after for a minute.
 */
export async function interruptOurs(backend: Reach, { progress, isOurs, isIdle, stop }: Interrupt): Promise<boolean> {
  let idleAsks = 0
  for (let waitedMs = 0; waitedMs < ASK_MS_MAX; waitedMs += ASK_EVERY_MS) {
    const answer = await ask(backend, progress)
    if (answer.status !== 200) return false
    if (isOurs(answer)) {
      await ask(backend, stop)
      return true
    }
    idleAsks = isIdle(answer) ? idleAsks + 1 : 0
    if (idleAsks === IDLE_ASKS_MAX) return false
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS).unref())
  }
  return false
}
