import type { Pool } from 'undici'
import type { Interrupt, UpstreamRequest, WholeAnswer } from '../../dialects/index.ts'
import { LIMITS } from '../../kernel/index.ts'

const ASK_EVERY_MS = 200
const ASK_MS_MAX = 60_000

async function ask(pool: Pool, request: UpstreamRequest): Promise<WholeAnswer> {
  const { statusCode, headers, body } = await pool.request({
    method: request.method,
    path: request.path,
    headers: { ...request.headers },
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
export async function interruptOurs(pool: Pool, { progress, isOurs, stop }: Interrupt): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < ASK_MS_MAX; waitedMs += ASK_EVERY_MS) {
    const answer = await ask(pool, progress)
    if (answer.status !== 200) return false
    if (isOurs(answer)) {
      await ask(pool, stop)
      return true
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS).unref())
  }
  return false
}
