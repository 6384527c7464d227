import type { Context, Handler } from 'hono'
import { dropBody } from './body.ts'
import type { GateEnv } from './server.ts'
import { mustBeTaken } from './taken.ts'

/** For the few routes that anybody may ask: the corridor, which watches over bodies that nobody wants and readers who stand still, does not see them. */
export const openRoute =
  (handle: (c: Context<GateEnv>) => Response | Promise<Response>): Handler<GateEnv> =>
  (c) => {
    const { incoming, outgoing } = c.env
    mustBeTaken(outgoing)
    outgoing.once('finish', () => dropBody(incoming))
    return handle(c)
  }
