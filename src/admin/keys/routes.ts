import { type Context, Hono } from 'hono'
import {
  createKeyInput,
  disableKeyInput,
  editKeyInput,
  importKeysInput,
  listKeysInput,
  rotateKeyInput,
  validateKeyInput,
} from '../../contract/index.ts'
import { type OwnerGuard, readInput } from '../../gate/index.ts'
import type { Identity, KeyInfo } from '../../identity/index.ts'
import { type Clock, LIMITS } from '../../kernel/index.ts'
import { withChanges } from '../changes.ts'
import { changed, made, ok, reads, type Target, whenLoaded, writes } from '../policy.ts'
import { presentSpent, type Spending } from '../spending.ts'
import { presentImport, presentKey, presentList, presentNewKey, presentVerdict } from './present.ts'

export interface KeyRouteParts {
  readonly identity: Pick<Identity, 'keys' | 'load'>
  readonly spending: Spending
  readonly guard: OwnerGuard
  readonly clock: Clock
}

const DAY_MS = 86_400_000

/** Key management, to be mounted under /admin/api. */
export function keyRoutes({ identity, spending, guard: admit, clock }: KeyRouteParts): Hono {
  const { keys } = identity
  const guard = whenLoaded(identity, admit)
  const changing = (route: string, change: (c: Context, body: unknown) => Promise<KeyInfo>) =>
    guard(writes(route, targetOf), async (c, _principal, body) => {
      const key = await change(c, body)
      return changed(presentKey(key), key.id)
    })
  return new Hono()
    .get(
      '/keys',
      admit(reads('/keys'), async (c) => ok(presentList(await keys.list(listFilter(c))))),
    )
    .get(
      '/keys/:id',
      guard(reads('/keys/:id', targetOf), async (c) => {
        const key = keys.show(idOf(c))
        await spending.ready()
        return ok({ ...presentKey(key), ...presentSpent(spending, 'key', key.id) })
      }),
    )
    .post(
      '/keys',
      guard(writes('/keys'), async (_c, _principal, body) => {
        const { expires_days, ...input } = readInput(createKeyInput, body)
        const expiresMs = expires_days === null ? null : clock.nowMs() + expires_days * DAY_MS
        const fresh = await keys.create({ ...input, expiresMs })
        return made(presentNewKey(fresh), fresh.key.id)
      }),
    )
    .post(
      '/keys/validate',
      guard(writes('/keys/validate'), async (_c, _principal, body) => {
        const verdict = await keys.validate(readInput(validateKeyInput, body).key)
        return { ...ok(presentVerdict(verdict)), ...(verdict.key && { target: verdict.key.id }) }
      }),
    )
    .post(
      '/keys/import',
      guard({ ...writes('/keys/import'), bodyBytesMax: LIMITS.importBodyBytesMax }, async (_c, _principal, body) => {
        const { content, rights_from_service, source } = readInput(importKeysInput, body)
        const report = await keys.importLegacy(content, { rightsFromService: rights_from_service, ...(source !== undefined && { source }) })
        return ok(presentImport(report))
      }),
    )
    .patch(
      '/keys/:id',
      guard(writes('/keys/:id', targetOf), async (c, _principal, body) => {
        const key = await keys.edit(idOf(c), readInput(editKeyInput, body))
        return changed(presentKey(key), withChanges(key.id, body))
      }),
    )
    .post(
      '/keys/:id/disable',
      changing('/keys/:id/disable', (c, body) => keys.disable(idOf(c), readInput(disableKeyInput, body))),
    )
    .post(
      '/keys/:id/enable',
      changing('/keys/:id/enable', (c) => keys.enable(idOf(c))),
    )
    .post(
      '/keys/:id/rotate',
      guard(writes('/keys/:id/rotate', targetOf), async (c, _principal, body) => {
        const { grace_seconds, idempotency_key } = readInput(rotateKeyInput, body)
        const once = idempotency_key === undefined ? {} : { idempotencyKey: idempotency_key }
        const fresh = await keys.rotate(idOf(c), { graceMs: grace_seconds * 1000, ...once })
        return changed(presentNewKey(fresh), fresh.key.id)
      }),
    )
}

/** A whole key, pasted where its id belongs, is refused later, but the intent is written before that. */
const targetOf: Target = (c) => (KEY_ID_SHAPE.test(idOf(c)) ? idOf(c) : '[not a key id]')
const KEY_ID_SHAPE = /^[0-9A-Za-z_-]{1,24}$/

const idOf: Target = (c) => c.req.param('id') ?? ''

function listFilter(c: Context) {
  const { all, user, limit, after } = readInput(listKeysInput, c.req.query())
  return { all, ...(user !== undefined && { user }), ...(limit !== undefined && { limit }), ...(after !== undefined && { after }) }
}
