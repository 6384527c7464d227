import { scratch } from '../lib/cleanup.mjs'
import { GATEWAY, manage, newKey, startGateway } from '../lib/gateway.mjs'
import { rssMiB, run } from '../lib/processes.mjs'
import { copyKeys } from '../lib/seed.mjs'
import { median } from '../lib/stats.mjs'
import { BrokenBench } from '../lib/wrk.mjs'

export const KEYS = 100_000
const USERS = 1_000
/** Nobody is asked anything here, so no backend runs. */
const NO_BACKEND = 9

/** From the command to a port that takes connections; and the list of keys, as a person would ask for it. */
export async function startUp({ short, say }) {
  const times = short ? 3 : 7
  const empty = await starts(() => scratch('empty'), times)
  say(`start with an empty store: ${empty.map((ms) => Math.round(ms)).join(', ')} ms`)
  const home = await storeOfManyKeys()
  const many = await starts(() => home, short ? 2 : times)
  say(`start with ${KEYS} keys: ${many.map((ms) => Math.round(ms)).join(', ')} ms`)
  const gateway = await startGateway({ backend: NO_BACKEND, home })
  const memory = rssMiB(gateway.pid)
  let lists
  try {
    lists = await listTimes(gateway, times)
  } finally {
    await gateway.stop()
  }
  const alone = await listTimes(gateway, short ? 2 : times)
  say(
    `key list: ${lists.map((ms) => Math.round(ms)).join(', ')} ms beside a gateway, ${alone.map((ms) => Math.round(ms)).join(', ')} ms without one`,
  )
  return outcome({ empty, many, lists, alone, memory })
}

async function starts(homeOf, times) {
  const measured = []
  for (let i = 0; i < times; i += 1) {
    const gateway = await startGateway({ backend: NO_BACKEND, home: homeOf() })
    measured.push(gateway.listeningMs)
    await gateway.stop()
  }
  return measured
}

let made

/** A data directory with one real key and its copies, made once for all sections of a run. */
export function storeOfManyKeys() {
  made ??= makeStore()
  return made
}

async function makeStore() {
  const gateway = await startGateway({ backend: NO_BACKEND, home: scratch('many') })
  await newKey(gateway)
  await gateway.stop()
  await copyKeys(gateway.home, { keys: KEYS, users: USERS })
  return gateway.home
}

async function listTimes(gateway, times) {
  const measured = []
  for (let i = 0; i < times; i += 1) {
    const { status, stdout, stderr, ms } = await run(process.execPath, [GATEWAY, 'key', 'list'], { env: gateway.variables })
    if (status !== 0 || !stdout.includes('user')) throw new BrokenBench(`key list ended with ${status}: ${stderr}`)
    measured.push(ms)
  }
  return measured
}

/** Every key, page after page, as `portcullis key list --json` asks for them. */
export async function listAll({ home }) {
  const seen = new Set()
  for (let after = ''; after !== null; ) {
    const { status, body } = await manage(home, 'GET', `/admin/api/keys?all=true${after && `&after=${after}`}`)
    if (status !== 200) throw new BrokenBench(`a page of keys: ${status} ${body}`)
    const { keys, next } = JSON.parse(body)
    for (const { id } of keys) seen.add(id)
    after = next
  }
  if (seen.size < KEYS) throw new BrokenBench(`a list of ${KEYS} keys has ${seen.size}`)
}

function outcome({ empty, many, lists, alone, memory }) {
  const row = (what, values) => [what, ...[median(values), Math.min(...values), Math.max(...values)].map((ms) => (ms / 1_000).toFixed(2))]
  return {
    reached: { 'start.empty': median(empty) / 1_000, 'start.keys': median(many) / 1_000, 'start.list': median(lists) / 1_000 },
    title: 'Start and the list of keys',
    text: `Seconds, from starting the process to a port that takes connections or to its end. With ${KEYS.toLocaleString('en')} keys the gateway holds ${memory.toFixed(0)} MiB.`,
    head: ['', 'median', 'least', 'most'],
    rows: [
      row('`portcullis serve`, empty store', empty),
      row(`\`portcullis serve\`, ${KEYS.toLocaleString('en')} keys`, many),
      row('`portcullis key list` beside a running gateway', lists),
      row('`portcullis key list` with none running (it opens the store itself)', alone),
    ],
  }
}
