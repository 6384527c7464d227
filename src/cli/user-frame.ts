import type { UserView } from '../contract/index.ts'
import type { AdminClient } from './key-client.ts'
import { changed, type Frame, json } from './key-frame.ts'
import { say } from './key-io.ts'
import { EXIT } from './terminal.ts'

export const USER = 'the name of the user, or the id'

/** Tables and colours take a while to load, which programs need not wait for. */
export const userPrinter = () => import('./user-print.ts')

/** A change of one user: what came of it, for a program or in a sentence, and which store it was made in. */
export const change = (
  { run, io }: Frame,
  asJson: boolean | undefined,
  work: (client: AdminClient) => Promise<UserView>,
  told: (user: UserView) => string,
) =>
  run(async (client) => {
    const user = await work(client)
    if (asJson) json(io, client, user)
    else say(io, told(user))
    changed(client, io)
    return EXIT.done
  })
