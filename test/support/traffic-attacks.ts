import type { Label } from './labelled-traffic.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from './traffic.ts'
import { OFFICE, type Play, type Weeks } from './traffic-benign.ts'

/** Attacks from the loud to the patient, at random times and strengths, some of them below what any rule can tell from clumsiness; each says how a report should
 * name it. */
export const ATTACKS: Readonly<Record<string, Play>> = {
  flood,
  handful,
  patient,
  rarely,
  fromTheOffice,
  acrossAPrefix,
  listOfIds,
  slowListOfIds,
  networkOfIds,
  leakedKey,
  soldKey,
  sharedKey,
  stolenDisabled,
  oldSecretAfterGrace,
  expiredScript,
  triesEveryRight,
  triesManagement,
  triesAdministration,
  scannerWithoutKey,
  strangerAtManagement,
  traversal,
  oneTraversal,
  mixedSpellings,
  drained,
  drainedByNight,
}

const someDay = ({ traffic, startMs, days }: Weeks): number => startMs + traffic.random.between(5, days - 2) * DAY_MS
const stranger = ({ traffic }: Weeks): string =>
  `${traffic.random.int(11, 99)}.${traffic.random.int(0, 255)}.${traffic.random.int(0, 255)}.${traffic.random.int(1, 254)}`
const guess = ({ traffic }: Weeks): string => traffic.random.of(['malformed', 'bad_crc', 'unknown_key'])

function guesses(weeks: Weeks, scenario: string, address: string, tries: number, everyMs: number): Label[] {
  const atMs = someDay(weeks)
  for (let n = 0; n < tries; n += 1)
    weeks.traffic.badKey(atMs + n * everyMs * weeks.traffic.random.between(0.5, 1.5), address, guess(weeks))
  return [{ kind: 'brute_force', subject: address, scenario }]
}

function flood(weeks: Weeks): Label[] {
  return guesses(weeks, 'flood', stranger(weeks), weeks.traffic.random.int(300, 900), 400)
}

function handful(weeks: Weeks): Label[] {
  return guesses(weeks, 'handful', stranger(weeks), weeks.traffic.random.int(5, 12), 3 * MINUTE_MS)
}

function patient(weeks: Weeks): Label[] {
  return guesses(weeks, 'patient', stranger(weeks), weeks.traffic.random.int(30, 50), 28 * MINUTE_MS)
}

function rarely(weeks: Weeks): Label[] {
  const address = stranger(weeks)
  for (let day = 0; day < weeks.days; day += 2) weeks.traffic.badKey(weeks.startMs + day * DAY_MS + 4 * HOUR_MS, address, guess(weeks))
  return [{ kind: 'brute_force', subject: address, scenario: 'rarely' }]
}

/** Hides behind an address with much honest traffic. */
function fromTheOffice(weeks: Weeks): Label[] {
  const atMs = weeks.startMs + 9 * DAY_MS + weeks.traffic.random.between(10, 16) * HOUR_MS
  for (let n = 0; n < weeks.traffic.random.int(15, 30); n += 1) weeks.traffic.badKey(atMs + n * 45_000, OFFICE, guess(weeks))
  return [{ kind: 'brute_force', subject: OFFICE, scenario: 'fromTheOffice' }]
}

/** Another address of one IPv6 /64 for each try. */
function acrossAPrefix(weeks: Weeks): Label[] {
  const { traffic } = weeks
  const site = traffic.random.int(0x1000, 0xffff).toString(16)
  const atMs = someDay(weeks)
  for (let n = 0; n < 18; n += 1)
    traffic.badKey(atMs + n * MINUTE_MS, `2001:db8:${site}:1::${traffic.random.int(1, 0xffff).toString(16)}`, 'malformed')
  return [{ kind: 'brute_force', subject: `2001:db8:${site}:1::/64`, scenario: 'acrossAPrefix' }]
}

function ids(weeks: Weeks, scenario: string, count: number, everyMs: number): Label[] {
  const address = stranger(weeks)
  const atMs = someDay(weeks)
  for (let n = 0; n < count; n += 1)
    weeks.traffic.badKey(
      atMs + n * everyMs,
      address,
      weeks.traffic.random.of(['unknown_key', 'wrong_secret']),
      weeks.traffic.random.base62(12),
    )
  return [
    { kind: 'key_spraying', subject: address, scenario },
    { kind: 'brute_force', subject: address, scenario },
  ]
}

function listOfIds(weeks: Weeks): Label[] {
  return ids(weeks, 'listOfIds', weeks.traffic.random.int(20, 60), 20_000)
}

function slowListOfIds(weeks: Weeks): Label[] {
  return ids(weeks, 'slowListOfIds', weeks.traffic.random.int(4, 10), HOUR_MS)
}

/** Too few tries from each address to be seen alone. */
function networkOfIds(weeks: Weeks): Label[] {
  const { traffic } = weeks
  const perHost = traffic.random.int(1, 4)
  const [a, b, c] = [traffic.random.int(11, 99), traffic.random.int(0, 255), traffic.random.int(0, 255)]
  const atMs = someDay(weeks)
  for (let host = 0; host < 6; host += 1)
    for (let n = 0; n < perHost; n += 1)
      traffic.badKey(atMs + (host * perHost + n) * 2 * MINUTE_MS, `${a}.${b}.${c}.${host + 20}`, 'unknown_key', traffic.random.base62(12))
  return [{ kind: 'key_spraying', subject: `${a}.${b}.${c}.0/24`, scenario: 'networkOfIds' }]
}

function scattered(weeks: Weeks, scenario: string, networks: number, everyMs: number): Label[] {
  const { traffic, startMs } = weeks
  const who = traffic.person(scenario)
  for (let day = 0; day < 5; day += 1)
    for (let n = 0; n < 20; n += 1) traffic.carried(startMs + day * DAY_MS + (9 + n / 4) * HOUR_MS, who, '192.0.2.60')
  const atMs = someDay(weeks)
  for (let n = 0; n < networks; n += 1) {
    const from = stranger(weeks)
    for (let k = 0; k < 2; k += 1) traffic.carried(atMs + n * everyMs + k * 9_000, who, from)
  }
  return [{ kind: 'many_networks', subject: who.key, scenario }]
}

function leakedKey(weeks: Weeks): Label[] {
  return scattered(weeks, 'leakedKey', weeks.traffic.random.int(5, 15), 2 * MINUTE_MS)
}

function soldKey(weeks: Weeks): Label[] {
  return scattered(weeks, 'soldKey', weeks.traffic.random.int(25, 60), 10 * MINUTE_MS)
}

function sharedKey(weeks: Weeks): Label[] {
  return scattered(weeks, 'sharedKey', weeks.traffic.random.int(10, 20), 45 * MINUTE_MS)
}

function deadKey(weeks: Weeks, scenario: string, reason: string, tries: number, address?: string): Label[] {
  const { traffic, startMs } = weeks
  const who = traffic.person(scenario)
  for (let n = 0; n < 30; n += 1) traffic.carried(startMs + n * 3 * HOUR_MS, who, '192.0.2.61')
  const atMs = someDay(weeks)
  for (let n = 0; n < tries; n += 1) traffic.badKey(atMs + n * HOUR_MS, address ?? '192.0.2.61', reason, who.key)
  return [{ kind: 'dead_key', subject: who.key, scenario }]
}

function stolenDisabled(weeks: Weeks): Label[] {
  return deadKey(weeks, 'stolenDisabled', 'disabled', 4, stranger(weeks))
}

function oldSecretAfterGrace(weeks: Weeks): Label[] {
  return deadKey(weeks, 'oldSecretAfterGrace', 'rotated_out', 1)
}

function expiredScript(weeks: Weeks): Label[] {
  return deadKey(weeks, 'expiredScript', 'expired', 24)
}

function insider(weeks: Weeks, scenario: string, routes: readonly (readonly [string, string])[], code?: string): Label[] {
  const { traffic } = weeks
  const who = traffic.person(scenario)
  const address = stranger(weeks)
  const atMs = someDay(weeks)
  routes.forEach(([method, route], n) => {
    traffic.forbidden(atMs + n * 70_000, address, who, method, route, code)
  })
  return [{ kind: 'probing', subject: who.key, scenario }]
}

function triesEveryRight(weeks: Weeks): Label[] {
  const routes = ['/chat/api/chat', '/tts/api/speak', '/image/api/generate', '/whisper/api/transcribe', '/chat/api/embed']
    .slice(0, weeks.traffic.random.int(3, 5))
    .map((r) => ['POST', r] as const)
  return insider(weeks, 'triesEveryRight', routes)
}

function triesManagement(weeks: Weeks): Label[] {
  const routes = ['pull', 'create', 'copy', 'delete']
    .slice(0, weeks.traffic.random.int(2, 4))
    .map((r) => ['POST', `/chat/api/${r}`] as const)
  return insider(weeks, 'triesManagement', routes)
}

function triesAdministration(weeks: Weeks): Label[] {
  const routes = ['keys', 'users', 'backup', 'services'].map((r) => ['GET', `/admin/api/${r}`] as const)
  return insider(weeks, 'triesAdministration', routes, 'NOT_FOUND')
}

function strangers(weeks: Weeks, scenario: string, paths: readonly string[]): Label[] {
  const address = stranger(weeks)
  const atMs = someDay(weeks)
  paths.forEach((path, n) => {
    weeks.traffic.keyless(atMs + n * 700, address, 'GET', path)
  })
  return [{ kind: 'probing', subject: address, scenario }]
}

function scannerWithoutKey(weeks: Weeks): Label[] {
  const words = [
    '.env',
    'config',
    'login',
    'api/v1',
    'graphql',
    'console',
    'server-status',
    'metrics',
    'backup.zip',
    'v1/models',
    'api/tags',
    '.git/HEAD',
  ]
  return strangers(
    weeks,
    'scannerWithoutKey',
    words.slice(0, weeks.traffic.random.int(4, 12)).map((word) => `/${word}`),
  )
}

function strangerAtManagement(weeks: Weeks): Label[] {
  return strangers(weeks, 'strangerAtManagement', ['/chat/api/pull', '/chat/api/delete', '/admin/api/keys'])
}

function tricks(weeks: Weeks, scenario: string, paths: readonly string[]): Label[] {
  const address = stranger(weeks)
  const atMs = someDay(weeks)
  paths.forEach((path, n) => {
    weeks.traffic.badPath(atMs + n * 900, address, path)
  })
  return [{ kind: 'path_tricks', subject: address, scenario }]
}

function traversal(weeks: Weeks): Label[] {
  return tricks(
    weeks,
    'traversal',
    Array.from({ length: weeks.traffic.random.int(6, 60) }, (_, n) => `/chat/${'../'.repeat((n % 5) + 1)}admin/api/keys`),
  )
}

function oneTraversal(weeks: Weeks): Label[] {
  return tricks(weeks, 'oneTraversal', [
    weeks.traffic.random.of(['/chat/..%2fapi/delete', '/chat/%2e%2e/admin', '/chat\\..\\admin', '/chat/..;/admin']),
  ])
}

function mixedSpellings(weeks: Weeks): Label[] {
  return tricks(weeks, 'mixedSpellings', ['/chat%2fapi%2fdelete', '//chat/api/delete', '/chat//api%2Fpull', '/chat/api/delete%2f'])
}

function volume(weeks: Weeks, scenario: string, usual: number, times: number, hour: number, hours: number): Label[] {
  const { traffic, startMs, days } = weeks
  const who = traffic.person(scenario)
  const home = '192.0.2.70'
  for (let day = 0; day < days; day += 1)
    for (let h = 8; h < 18; h += 1)
      for (let n = 0; n < traffic.random.skewed(usual); n += 1)
        traffic.carried(startMs + day * DAY_MS + (h + traffic.random.next()) * HOUR_MS, who, home)
  const atMs = startMs + traffic.random.int(7, days - 2) * DAY_MS + hour * HOUR_MS
  for (let n = 0; n < usual * times * hours; n += 1) traffic.carried(atMs + traffic.random.next() * hours * HOUR_MS, who, '45.10.20.30')
  return [{ kind: 'unusual_volume', subject: who.key, scenario }]
}

function drained(weeks: Weeks): Label[] {
  return volume(weeks, 'drained', 12, weeks.traffic.random.int(4, 40), 14, 3)
}

function drainedByNight(weeks: Weeks): Label[] {
  return volume(weeks, 'drainedByNight', 25, weeks.traffic.random.int(3, 10), 3, 2)
}
