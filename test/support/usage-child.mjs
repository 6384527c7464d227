// A process that owns a ledger, a store and the accounts between them, and writes priced requests until it is killed. Says on stdout, one line each:
//   ready · n COUNT (outcomes given to the ledger so far) · done
// node usage-child.mjs '{"modules":{…},"file","keyDir","sync","rotateMiB","callers","tag","keys":{KEY: USER}}'
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const { modules, file, keyDir, sync, rotateMiB, callers, tag, keys } = JSON.parse(process.argv[2])
const load = (name) => import(pathToFileURL(modules[name]).href)
const [{ openLedger }, { systemClock: clock }, { openStore }, { createUsage }] = await Promise.all(
  ['audit', 'kernel', 'storage', 'usage'].map(load),
)

// A synchronous write: what was said must not be lost with the process.
const say = (line) => writeSync(1, `${line}\n`)
const log = { info() {}, warn() {}, error: (_fields, message) => say(`e ${message}`) }
const store = await openStore({ file: `${keyDir}/portcullis.db` })
const ledger = await openLedger({ file, keyDir, sync, rotateMiB, keepDays: 400, clock, log })
const sealer = { seal: (bytes) => bytes, open: (bytes) => bytes }
const retention = { keepDays: 90, contentKeepDays: 7, contentBytesMax: 1_024, contentTotalBytesMax: 1024 ** 2 }
const usage = createUsage({ store, ledger, ledgerFile: file, sealer, clock, log, retention })
await usage.caughtUp()
say('ready')

let count = 0
let stopped = false
const pick = (list) => list[randomInt(list.length)]

async function caller() {
  while (!stopped) {
    count += 1
    const request = `req_${tag}${count}`
    const key = pick(Object.keys(keys))
    const about = {
      request,
      tenant: 'default',
      kind: 'key',
      user: keys[key],
      key,
      address: '192.0.2.7',
      method: 'POST',
      route: '/v1/chat/completions',
      service: 'v1',
      model: pick(['fast', 'slow']),
    }
    await ledger.intent({ ...about, units: { tokens_in: 5 }, cost_micro: 50 })
    await pause(randomInt(0, 4))
    const units = { tokens_in: 5, tokens_out: randomInt(100) }
    ledger.outcome({
      ...about,
      status: 200,
      bytes_in: 10,
      bytes_out: 100,
      units,
      cost_micro: 50 + 3 * units.tokens_out,
      total_ms: 1,
      ended: 'complete',
    })
    if (count % 100 === 0) say(`n ${count}`)
  }
}

/** The other one who changes balances: a person, on the main thread's connection. */
async function cashier() {
  for (let n = 1; !stopped; n += 1) {
    const [user_id, amount_micro] = [pick(Object.values(keys)), randomInt(1, 10_000)]
    await store.db.transaction().execute(async (tx) => {
      await tx
        .insertInto('credits')
        .values({ id: `crd_${tag}${n}`, user_id, amount_micro, time_ms: clock.nowMs(), note: '' })
        .execute()
      await tx
        .updateTable('users')
        .set(({ eb }) => ({ balance_micro: eb('balance_micro', '+', amount_micro) }))
        .where('id', '=', user_id)
        .execute()
    })
    await pause(randomInt(5, 30))
  }
}

/** More often than a gateway tells its thread, so that a kill finds it at work. */
async function follower() {
  while (!stopped) {
    await usage.caughtUp()
    await pause(randomInt(0, 15))
  }
}

const works = [...Array.from({ length: callers }, caller), cashier(), follower()]
for await (const line of createInterface({ input: process.stdin })) if (line === 'stop') break
stopped = true
await Promise.all(works)
await usage.close()
await ledger.close()
await store.close()
say('done')
process.exit(0)
