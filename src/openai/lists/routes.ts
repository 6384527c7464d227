import type { Context, Hono } from 'hono'
import type { Models, Voices } from '../../catalog/index.ts'
import { answer, type Corridor, jsonAnswer, type Policy } from '../../gate/index.ts'
import { envelopeOf, type GateEnv, openRoute } from '../../http/index.ts'
import { mayUse, type Principal } from '../../kernel/index.ts'

export interface ListParts {
  readonly corridor: Corridor
  readonly models: Models
  readonly voices: Voices
  /** Whether anybody may read them: Open WebUI asks without a key, and shows six voices that are not there when it is refused. */
  readonly openLists: boolean
}

/** Routes that leave no record while the lists are open. */
export const OPEN_LISTS = ['GET /v1/audio/voices', 'GET /v1/audio/models'] as const

/** In the shapes that Open WebUI reads. */
const LISTS: Readonly<Record<(typeof OPEN_LISTS)[number], (parts: ListParts, principal: Principal | null) => unknown>> = {
  'GET /v1/audio/voices': async ({ voices }) => ({ voices: (await voices.list()).map((voice) => ({ name: voice.id, ...voice })) }),
  'GET /v1/audio/models': ({ models }, principal) => ({
    models: models
      .list()
      .filter((model) => model.capability === 'speech' && (principal === null || mayUse(principal, model)))
      .map(({ name }) => ({ id: name })),
  }),
}

export function mountOpenLists(app: Hono<GateEnv>, parts: ListParts, sent: Response, policyOf: (route: string) => Policy): void {
  for (const name of OPEN_LISTS) {
    const path = name.slice('GET '.length)
    const list = LISTS[name]
    if (parts.openLists) {
      app.get(
        path,
        openRoute(async (c: Context<GateEnv>) => c.json((await list(parts, null)) as object)), // each of the lists is one
      )
      continue
    }
    const policy = policyOf(path)
    app.get(path, async (c) => {
      await parts.corridor.admit(envelopeOf(c.env.incoming), policy, (visit) =>
        answer(visit, async () => jsonAnswer(200, await list(parts, visit.principal))),
      )
      return sent
    })
  }
}
