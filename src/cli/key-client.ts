import type { z } from 'zod'
import { visible } from '../kernel/index.ts'
import { EXIT, Exit } from './terminal.ts'

/** The management API as a command reaches it: through the running gateway's socket, or in this process while it owns the data. */
export interface AdminClient {
  request(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>
  /** Which store is read and changed, for people. */
  readonly store: string
  close(): Promise<void> | void
}

/** No such key and already done are answers; a request that is wrong in itself is usage; anything else means that nobody could answer. */
const EXIT_OF_STATUS: Readonly<Record<number, number>> = {
  400: EXIT.usage,
  404: EXIT.negative,
  409: EXIT.negative,
  413: EXIT.usage,
}

export async function ask<Schema extends z.ZodType>(
  client: AdminClient,
  schema: Schema,
  method: string,
  path: string,
  body?: unknown,
): Promise<z.output<Schema>> {
  const answer = await client.request(method, path, body)
  if (answer.status >= 400) throw new Exit(EXIT_OF_STATUS[answer.status] ?? EXIT.unavailable, faultText(answer.body))
  const parsed = schema.safeParse(answer.body)
  if (!parsed.success) {
    throw new Exit(EXIT.unavailable, 'The gateway answered in a shape that this command does not know; are both of the same version?')
  }
  return parsed.data
}

/** The public sentence of a problem+json answer. */
function faultText(body: unknown): string {
  if (typeof body === 'object' && body !== null) {
    for (const name of ['detail', 'title']) {
      const text: unknown = Reflect.get(body, name)
      if (typeof text === 'string' && text !== '') return visible(text)
    }
  }
  return 'The request was refused without a reason'
}
