import type { Hono } from 'hono'
import type { Models, Voices } from '../../catalog/index.ts'
import { answer, type Corridor, jsonAnswer, type Policy } from '../../gate/index.ts'
import { envelopeOf, type GateEnv, openRoute } from '../../http/index.ts'
import type { Principal } from '../../kernel/index.ts'
import { allowedTo } from '../allowed.ts'
import { speechIn, voicesIn } from './written.ts'

export interface ListParts {
  readonly corridor: Corridor
  readonly models: Models
  readonly voices: Voices
  /** Whether anybody may read them: Open WebUI asks without a key, and shows six voices that are not there when it is refused. */
  readonly openLists: boolean
}

/** Routes that leave no record while the lists are open. */
export const OPEN_LISTS = ['GET /v1/audio/voices', 'GET /v1/audio/models'] as const

const LISTS: Readonly<Record<(typeof OPEN_LISTS)[number], (parts: ListParts, principal: Principal | null) => Buffer | Promise<Buffer>>> = {
  'GET /v1/audio/voices': async ({ voices }) => voicesIn(await voices.list()),
  'GET /v1/audio/models': ({ models, openLists }, principal) => speechIn(openLists ? models.list() : allowedTo(models, principal)),
}

export function mountOpenLists(app: Hono<GateEnv>, parts: ListParts, sent: Response, policyOf: (route: string) => Policy): void {
  for (const name of OPEN_LISTS) {
    const path = name.slice('GET '.length)
    const list = LISTS[name]
    if (parts.openLists) {
      app.get(
        path,
        openRoute(async (c) => {
          const body = await list(parts, null)
          const { incoming, outgoing } = c.env
          const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-request-id': envelopeOf(incoming).id }
          outgoing.writeHead(200, headers).end(body)
          return sent
        }),
      )
      continue
    }
    const policy = policyOf(path)
    app.get(path, async (c) => {
      await parts.corridor.admit(envelopeOf(c.env.incoming), policy, (visit) =>
        answer(visit, async () => ({ ...jsonAnswer(200, null), body: await list(parts, visit.principal) })),
      )
      return sent
    })
  }
}
