import { Hono } from 'hono'
import type { EndpointInfo, ModelCatalog } from '../../catalog/index.ts'
import { createEndpointInput, editEndpointInput, isEndpointToTell } from '../../contract/index.ts'
import { type OwnerAnswer, type OwnerGuard, readInput } from '../../gate/index.ts'
import { withChanges } from '../changes.ts'
import { changed, made, ok, pageWanted, reads, type Target, whenLoaded, writes } from '../policy.ts'
import { presentEndpoint, presentEndpoints } from './present.ts'

export interface EndpointRouteParts {
  readonly models: Pick<ModelCatalog, 'manage' | 'load'>
  readonly guard: OwnerGuard
}

/** Management of endpoints, to be mounted under /admin/api. One is named by its name or its id. */
export function endpointRoutes({ models, guard: admit }: EndpointRouteParts): Hono {
  const { endpoints } = models.manage
  const guard = whenLoaded(models, admit)
  return new Hono()
    .get(
      '/endpoints',
      guard(reads('/endpoints'), async (c) => ok(presentEndpoints(endpoints.list(pageWanted(c))))),
    )
    .get(
      '/endpoints/:name',
      guard(reads('/endpoints/:name', targetOf), async (c) => ok(presentEndpoint(endpoints.show(nameOf(c))))),
    )
    .post(
      '/endpoints',
      guard(writes('/endpoints'), async (_c, _principal, body) => {
        const endpoint = await endpoints.create(readInput(createEndpointInput, body))
        return made(presentEndpoint(endpoint), ledgerName(endpoint))
      }),
    )
    .patch(
      '/endpoints/:name',
      guard(writes('/endpoints/:name', targetOf), async (c, _principal, body) =>
        changedEndpoint(await endpoints.edit(nameOf(c), readInput(editEndpointInput, body)), body),
      ),
    )
    .delete(
      '/endpoints/:name',
      guard(reads('/endpoints/:name', targetOf), async (c) => changedEndpoint(await endpoints.delete(nameOf(c)))),
    )
}

const nameOf: Target = (c) => c.req.param('name') ?? ''
/** What is no name is refused later, but the intent is written before that. */
const targetOf: Target = (c) => (isEndpointToTell(nameOf(c)) ? nameOf(c) : '[not an endpoint]')

/** Names change and are given anew; the id tells which endpoint it was, then and later. */
const ledgerName = ({ id, name }: EndpointInfo): string => `${id} ${name}`
const changedEndpoint = (endpoint: EndpointInfo, body: unknown = null): OwnerAnswer =>
  changed(presentEndpoint(endpoint), withChanges(ledgerName(endpoint), body))
