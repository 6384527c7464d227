import { Hono } from 'hono'
import { type AdminParts, adminRoutes } from '../../src/admin/index.ts'
import type { OwnerGuard } from '../../src/gate/index.ts'
import { asGatewayError, errorAnswer } from '../../src/http/index.ts'
import { DEFAULT_TENANT, systemClock } from '../../src/kernel/index.ts'

/** What the ledger would have been told of a management request: its target when the intent was written, and when it had ended. */
export interface AdminRecord {
  readonly route: string
  readonly before: string
  after: string
}

const OWNER = { tenant: DEFAULT_TENANT, kind: 'person', id: 'owner', user: 'owner', rights: new Set<never>() } as const

/** What a test has no room for. Nothing is asked of it. */
const ABSENT = {
  identity: {},
  models: { manage: {} },
  spending: { ready: async () => {}, of: () => ({ dayMicro: 0, monthMicro: 0 }) },
} as unknown as AdminParts

/** The management routes without a socket, behind a guard that lets everybody in, reads the body and writes down what it was told. */
export function adminOf(rooms: Partial<Omit<AdminParts, 'guard'>>) {
  const ledger: AdminRecord[] = []
  const guard: OwnerGuard = (policy, perform) => async (c) => {
    const record = { route: policy.route, before: policy.target?.(c) ?? '', after: '' }
    ledger.push(record)
    try {
      const text = policy.bodyBytesMax > 0 ? await c.req.text() : ''
      const { status, body, target } = await perform(c, OWNER, text === '' ? {} : JSON.parse(text))
      record.after = target ?? record.before
      return c.json(body, status)
    } catch (thrown) {
      const answer = errorAnswer(asGatewayError(thrown), 'problem', 'req_test')
      return new Response(answer.body, { status: answer.status, headers: answer.headers })
    }
  }
  const app = new Hono().route('/admin/api', adminRoutes({ ...ABSENT, clock: systemClock, ...rooms, guard }))
  const request = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> => {
    const answer = await app.request(path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
    return { status: answer.status, body: await answer.json() }
  }
  return { ledger, request, store: 'a store of the test', close: async () => {} }
}
