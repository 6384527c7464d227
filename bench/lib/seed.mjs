import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GATEWAY } from './gateway.mjs'

/**
 * Fills a store with copies of the one key that is in it. Copies, because rows that nobody reads need no argon2 of their own, and because a copy has whatever
 * columns the schema has by now.
 */
export async function copyKeys(home, { keys, users }) {
  const { openStore } = await import(new URL('../storage/index.js', pathToFileURL(GATEWAY)).href)
  const store = await openStore({ file: join(home, 'data', 'portcullis.db') })
  const { db } = store
  const [key, user] = await Promise.all([
    db.selectFrom('keys').selectAll().executeTakeFirstOrThrow(),
    db.selectFrom('users').selectAll().executeTakeFirstOrThrow(),
  ])
  const userId = (i) => `usr_bench${String(i).padStart(11, '0')}`
  await db.transaction().execute(async (change) => {
    await inPieces(
      users,
      (i) => ({ ...user, id: userId(i), name: `user${i}` }),
      (rows) => change.insertInto('users').values(rows).execute(),
    )
    await inPieces(
      keys - 1,
      (i) => ({ ...key, id: String(i).padStart(12, '0'), user_id: userId(i % users), description: `copy ${i}` }),
      (rows) => change.insertInto('keys').values(rows).execute(),
    )
  })
  await store.close()
}

/** The same for the one model that is in it, at the same endpoint. */
export async function copyModels(home, models) {
  const { openStore } = await import(new URL('../storage/index.js', pathToFileURL(GATEWAY)).href)
  const store = await openStore({ file: join(home, 'data', 'portcullis.db') })
  const { db } = store
  const [model, place] = await Promise.all([
    db.selectFrom('models').selectAll().executeTakeFirstOrThrow(),
    db.selectFrom('model_endpoints').selectAll().executeTakeFirstOrThrow(),
  ])
  const modelId = (i) => `mod_bench${String(i).padStart(11, '0')}`
  await db.transaction().execute(async (change) => {
    await inPieces(
      models - 1,
      (i) => ({ ...model, id: modelId(i), name: `copy-${i}` }),
      (rows) => change.insertInto('models').values(rows).execute(),
    )
    await inPieces(
      models - 1,
      (i) => ({ ...place, model_id: modelId(i), upstream: `copy-${i}` }),
      (rows) => change.insertInto('model_endpoints').values(rows).execute(),
    )
  })
  await store.close()
}

async function inPieces(count, row, insert) {
  const PIECE = 500 // below SQLite's bound on variables in one statement
  for (let from = 0; from < count; from += PIECE) {
    await insert(Array.from({ length: Math.min(PIECE, count - from) }, (_, at) => row(from + at)))
  }
}
