import type { Label } from './labelled-traffic.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, type Person, type Traffic } from './traffic.ts'

export interface Weeks {
  readonly traffic: Traffic
  readonly startMs: number
  readonly days: number
}
export type Play = (weeks: Weeks) => Label[]

export const OFFICE = '198.51.100.20'

/** Each scenario that looks like an attack to a simple rule; the only labels are dead keys, which are what they look like. */
export const BENIGN: Readonly<Record<string, Play>> = {
  office,
  atHome,
  onThePhone,
  travelling,
  nightlyBuild,
  weeklyReport,
  growing,
  newProgram,
  monitor,
  slashTooMany,
  modelWithSlash,
  wrongRight,
  curiousAdmin,
  rateLimited,
  rotating,
  expiredTogether,
}

const weekday = (atMs: number): boolean => ![0, 6].includes(new Date(atMs).getUTCDay())

/** Working hours of one person: about `perDay` requests between eight and six. */
function works({ traffic, startMs, days }: Weeks, who: Person, perDay: number, addressAt: (atMs: number) => string): void {
  for (let day = 0; day < days; day += 1) {
    const dayMs = startMs + day * DAY_MS
    if (!weekday(dayMs)) continue
    const count = Math.round(traffic.random.skewed(perDay))
    for (let n = 0; n < count; n += 1) {
      const atMs = dayMs + traffic.random.between(8, 18) * HOUR_MS
      traffic.carried(atMs, who, addressAt(atMs))
    }
  }
}

/** Fifteen people behind one address; every day somebody pastes half a key, and on some mornings several do. */
function office(weeks: Weeks): Label[] {
  const { traffic, startMs, days } = weeks
  for (let n = 0; n < 15; n += 1) works(weeks, traffic.person(`office-${n}`), 30, () => OFFICE)
  for (let day = 0; day < days; day += 1) {
    const slips = traffic.random.int(0, day % 7 === 0 ? 7 : 4)
    for (let n = 0; n < slips; n += 1) {
      const atMs = startMs + day * DAY_MS + traffic.random.between(8, 18) * HOUR_MS
      traffic.badKey(atMs, OFFICE, traffic.random.of(['malformed', 'bad_crc', 'bad_crc']))
    }
  }
  return []
}

/** One person who needs four tries, now and then. */
function atHome(weeks: Weeks): Label[] {
  const { traffic, startMs } = weeks
  for (let n = 0; n < 6; n += 1) {
    const address = `203.0.113.${10 + n}`
    works(weeks, traffic.person(`home-${n}`), 25, () => address)
    const atMs = startMs + traffic.random.int(1, 18) * DAY_MS + 9 * HOUR_MS
    for (let slip = 0; slip < traffic.random.int(1, 4); slip += 1) traffic.badKey(atMs + slip * 20_000, address, 'malformed')
  }
  return []
}

/** Home, train, mobile network, office: two to four networks an hour, eight a day. */
function onThePhone(weeks: Weeks): Label[] {
  const { traffic } = weeks
  for (let n = 0; n < 4; n += 1) {
    const places = Array.from({ length: 8 }, (_, i) => `100.${64 + n}.${i}.7`)
    const stayMs = traffic.random.between(15, 30) * MINUTE_MS
    works(weeks, traffic.person(`phone-${n}`), 40, (atMs) => places[Math.floor(atMs / stayMs) % places.length] ?? '')
  }
  return []
}

/** One day between airports and hotels. */
function travelling({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('traveller')
  const flights = traffic.random.int(6, 13)
  for (let n = 0; n < flights; n += 1) traffic.carried(startMs + 10 * DAY_MS + n * 1.3 * HOUR_MS, who, `192.0.${2 + n}.44`)
  return []
}

/** A little all day, and six hundred requests at two in the morning. */
function nightlyBuild({ traffic, startMs, days }: Weeks): Label[] {
  const who = traffic.person('build')
  for (let day = 0; day < days; day += 1) {
    const dayMs = startMs + day * DAY_MS
    for (let hour = 0; hour < 24; hour += 1)
      for (let n = 0; n < 4; n += 1) traffic.carried(dayMs + (hour + n / 4) * HOUR_MS, who, '192.0.2.50')
    const burst = traffic.random.int(450, 700)
    for (let n = 0; n < burst; n += 1) traffic.carried(dayMs + 2 * HOUR_MS + n * 4_000, who, '192.0.2.50')
  }
  return []
}

/** The same, but only on Sundays: the first of them cannot be known for what it is. */
function weeklyReport(weeks: Weeks): Label[] {
  const { traffic, startMs, days } = weeks
  const who = traffic.person('weekly')
  works(weeks, who, 40, () => '192.0.2.51')
  for (let day = 6; day < days; day += 7)
    for (let n = 0; n < 300; n += 1) traffic.carried(startMs + day * DAY_MS + 3 * HOUR_MS + n * 9_000, who, '192.0.2.51')
  return []
}

/** A program that becomes popular: a tenth more every day. */
function growing({ traffic, startMs, days }: Weeks): Label[] {
  const who = traffic.person('growing')
  for (let day = 0; day < days; day += 1) {
    for (let n = 0; n < 200 * 1.1 ** day; n += 1)
      traffic.carried(startMs + day * DAY_MS + traffic.random.between(7, 20) * HOUR_MS, who, '192.0.2.52')
  }
  return []
}

/** A key made yesterday has no habit yet. */
function newProgram({ traffic, startMs, days }: Weeks): Label[] {
  const who = traffic.person('new-program')
  for (let n = 0; n < 800; n += 1) traffic.carried(startMs + (days - 1) * DAY_MS + 9 * HOUR_MS + n * 4_000, who, '192.0.2.53')
  return []
}

/** An uptime check that nobody gave a key. */
function monitor({ traffic, startMs }: Weeks): Label[] {
  for (let n = 0; n < 600; n += 1) traffic.keyless(startMs + n * 5 * MINUTE_MS, '203.0.113.200', 'GET', '/chat/api/tags')
  return []
}

/** A base URL that ends in a slash. */
function slashTooMany({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('slashes')
  for (let n = 0; n < 150; n += 1) traffic.badPath(startMs + 3 * DAY_MS + n * 40_000, '203.0.113.31', '/chat//api/generate', who)
  for (let n = 0; n < 20; n += 1) traffic.badPath(startMs + 4 * DAY_MS + n * 40_000, '203.0.113.32', '//chat/api/tags')
  return []
}

/** Names such as meta-llama/Llama-3, encoded as a path part. */
function modelWithSlash({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('models')
  const names = ['meta-llama%2FLlama-3', 'Qwen%2FQwen3', 'mistralai%2FMistral', 'google%2Fgemma']
  for (let n = 0; n < 40; n += 1)
    traffic.badPath(startMs + 5 * DAY_MS + n * MINUTE_MS, '203.0.113.33', `/v1/models/${traffic.random.of(names)}`, who)
  return []
}

/** A speech key in a chat program: the same refusal a hundred times, and one other route tried by hand. */
function wrongRight({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('speech-only')
  for (let n = 0; n < 100; n += 1) traffic.forbidden(startMs + 6 * DAY_MS + n * MINUTE_MS, '203.0.113.34', who, 'POST', '/chat/api/chat')
  traffic.forbidden(startMs + 6 * DAY_MS + 3 * HOUR_MS, '203.0.113.34', who, 'GET', '/chat/api/tags')
  return []
}

/** Somebody presses "pull" in a web interface and is told no. */
function curiousAdmin({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('webui')
  for (let n = 0; n < 3; n += 1) traffic.forbidden(startMs + 8 * DAY_MS + n * MINUTE_MS, '203.0.113.35', who, 'POST', '/chat/api/pull')
  return []
}

function rateLimited({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('hasty')
  for (let n = 0; n < 90; n += 1)
    traffic.refused(startMs + 9 * DAY_MS + n * 1_000, '203.0.113.36', { status: 429, code: 'RATE_LIMITED' }, who)
  return []
}

/** Within the grace period the old secret is good, and no threat. */
function rotating({ traffic, startMs }: Weeks): Label[] {
  const who = traffic.person('rotated')
  for (let n = 0; n < 60; n += 1)
    traffic.carried(startMs + 11 * DAY_MS + n * 10 * MINUTE_MS, who, '203.0.113.37', n < 40 ? { old_secret: true } : {})
  return []
}

/** Eight keys run out on one Monday behind one address. Each is a dead key in use; together they are neither guessing nor spraying. */
function expiredTogether(weeks: Weeks): Label[] {
  const { traffic, startMs } = weeks
  const address = '198.51.100.90'
  return Array.from({ length: 8 }, (_, n): Label => {
    const who = traffic.person(`expired-${n}`)
    for (let day = 0; day < 14; day += 1) traffic.carried(startMs + day * DAY_MS + (9 + n / 4) * HOUR_MS, who, address)
    for (let tries = 0; tries < 12; tries += 1)
      traffic.badKey(startMs + 14 * DAY_MS + 9 * HOUR_MS + n * MINUTE_MS + tries * 15_000, address, 'expired', who.key)
    return { kind: 'dead_key', subject: who.key, scenario: 'expiredTogether' }
  })
}
