import {
  type CreateEndpointBody,
  type EditEndpointBody,
  type EndpointView,
  endpointView,
  isEndpointText,
  listEndpointsAnswer,
} from '../contract/index.ts'
import { type AdminClient, ask } from './key-client.ts'
import type { PagedList } from './paged-list.ts'
import { EXIT, Exit } from './terminal.ts'

const ENDPOINTS = '/admin/api/endpoints'

export const endpointList = (client: AdminClient): PagedList<EndpointView> => ({
  name: 'endpoints',
  page: async (query) => {
    const { endpoints, next } = await ask(client, listEndpointsAnswer, 'GET', `${ENDPOINTS}?${query}`)
    return { items: endpoints, next }
  },
})

export const addEndpoint = (client: AdminClient, body: CreateEndpointBody): Promise<EndpointView> =>
  ask(client, endpointView, 'POST', ENDPOINTS, body)

export const showEndpoint = (client: AdminClient, name: string): Promise<EndpointView> => ask(client, endpointView, 'GET', pathOf(name))

export async function editEndpoint(client: AdminClient, name: string, body: EditEndpointBody): Promise<EndpointView> {
  if (body.url !== undefined && body.key === undefined) await wantKeyAgain(client, name, body.url)
  return ask(client, endpointView, 'PATCH', pathOf(name), body)
}

/** The gateway refuses another host without the key as well, in the words of its API, which are not those of a terminal. */
async function wantKeyAgain(client: AdminClient, name: string, url: string): Promise<void> {
  const { has_key, builtin, url: before } = await showEndpoint(client, name)
  if (!has_key || builtin || !URL.canParse(url) || new URL(url).origin === new URL(before).origin) return
  throw new Exit(
    EXIT.usage,
    `The key was given for ${new URL(before).origin} and goes to no other host. Give it again with --key-file FILE or --key -, or take it away with --no-key`,
  )
}

export const deleteEndpoint = (client: AdminClient, name: string): Promise<EndpointView> =>
  ask(client, endpointView, 'DELETE', pathOf(name))

/** What can be no name is not sent: it might be a provider's key, pasted where the name belongs. */
function pathOf(name: string): string {
  const text = name.trim()
  if (!isEndpointText(text)) throw new Exit(EXIT.negative, 'There is no endpoint of this name or id')
  return `${ENDPOINTS}/${text}`
}
