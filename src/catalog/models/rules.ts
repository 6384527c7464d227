import { foldKey } from '../../http/index.ts'
import { type BillingUnit, type Capability, clip, GatewayError, LIMITS, type Price, Secret } from '../../kernel/index.ts'
import { closeMatches } from '../close-matches.ts'
import { PROTOCOLS, type Protocol, protocolsOf } from '../model.ts'
import type { DialectName } from '../service.ts'
import type { OwnLimits } from './own-limits.ts'

/** What is wrong with an input beyond its shape. The ledger is told what kind of fault it is, and nothing that stood in the body. */
export const wrong = (detail: string, reason: string): GatewayError => new GatewayError('BODY_INVALID', { detail, reason })

/** `; did you mean a or b?`, or nothing. */
export function orMeant(wanted: string, names: Iterable<string>): string {
  const close = closeMatches(wanted, names)
  return close.length === 0 ? '' : `; did you mean ${close.join(' or ')}?`
}

export const shown = (name: string): string => clip(name, LIMITS.nameCharsMax)

/** Protocols that the languages of one purpose cannot be made to speak by saying so. */
const FIXED: ReadonlySet<DialectName> = new Set(['speak', 'a1111', 'asr', 'whispercpp'])

export function protocolsNamed(words: readonly string[], dialect: DialectName): readonly Protocol[] {
  const named = words.map((word): Protocol => {
    const protocol = PROTOCOLS.find((one) => one === word)
    if (protocol !== undefined) return protocol
    throw wrong(`"speaks" takes ${PROTOCOLS.join(', ')}, and holds another word${orMeant(word, PROTOCOLS)}`, 'no such protocol')
  })
  const spoken = protocolsOf(dialect)
  const beyond = named.find((protocol) => !spoken.includes(protocol))
  if (beyond !== undefined && FIXED.has(dialect)) {
    throw wrong(`The dialect ${dialect} speaks ${spoken.join(', ')} and no ${beyond}`, 'a protocol that its dialect cannot speak')
  }
  return PROTOCOLS.filter((protocol) => named.includes(protocol))
}

/** A header takes printable ASCII; a line break in it would be a header more. */
export function providerKey(text: string, dialect: DialectName): Secret {
  const isPair = dialect === 'a1111' && text.includes(':')
  if (!(isPair ? /^\P{Cc}+$/u : /^[\x21-\x7e]+$/).test(text)) {
    throw wrong(
      '"key" holds spaces, line breaks or letters that no header may have; was it cut or pasted wrong?',
      'a key that no header can hold',
    )
  }
  return new Secret(text)
}

/** An exact window remembers each call in it, so a count that no memory could hold is refused. */
export function refuseHugeRates({ rpm, perDay: per_day }: Pick<OwnLimits, 'rpm' | 'perDay'>): void {
  for (const [name, count] of Object.entries({ rpm, per_day })) {
    if (count !== null && count > LIMITS.rateCountMax) {
      throw wrong(`"${name}" counts at most ${LIMITS.rateCountMax} requests; null is no limit`, 'a rate that is too large')
    }
  }
}

/** What a model of each kind is asked by. */
const ASKED_BY: Readonly<Record<Capability, readonly Protocol[]>> = {
  text: ['chat', 'completions', 'responses', 'messages'],
  embedding: ['embeddings'],
  image: ['images', 'edits'],
  speech: ['speech'],
  transcription: ['transcriptions', 'translations'],
}

export function refuseUnspoken(capability: Capability, endpoint: { readonly name: string; readonly speaks: ReadonlySet<Protocol> }): void {
  if (ASKED_BY[capability].some((protocol) => endpoint.speaks.has(protocol))) return
  throw wrong(
    `${endpoint.name} speaks ${[...endpoint.speaks].join(', ')}, by which a model with the capability ${capability} cannot be asked`,
    'an endpoint that cannot serve such a model',
  )
}

/** What every backend of a kind tells, or can be counted here; the first is what it is billed by when nobody says. A price in another unit would be no price. */
const UNITS: Readonly<Record<Capability, readonly [BillingUnit, BillingUnit]>> = {
  text: ['token', 'request'],
  embedding: ['token', 'request'],
  image: ['image', 'request'],
  speech: ['character', 'request'],
  transcription: ['minute', 'request'],
}

export const usualUnit = (capability: Capability): BillingUnit => UNITS[capability][0]

/** Units that are counted on one side only. */
const ONE_SIDED: Readonly<Partial<Record<BillingUnit, 'in' | 'out'>>> = { image: 'out', character: 'in', minute: 'in' }

export function refuseIdlePrice(capability: Capability, { unit, inMicro, outMicro }: Price): void {
  const units = UNITS[capability]
  if (!units.includes(unit)) {
    throw wrong(
      `A model with the capability ${capability} is billed by ${units.map((one) => `the ${one}`).join(' or ')}; nobody counts each ${unit} of it`,
      'a unit that is not counted',
    )
  }
  const side = ONE_SIDED[unit]
  if (side === 'out' && inMicro > 0) throw wrong(`A price by ${unit} is a "price_out"; nothing is counted going in`, 'a price for nothing')
  if (side === 'in' && outMicro > 0) throw wrong(`A price by ${unit} is a "price_in"; nothing is counted coming out`, 'a price for nothing')
}

/** What a request is: a default for one of these would be another request than the one that was made, judged and estimated. */
const REQUESTS_OWN: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'n',
  'best_of',
  'messages',
  'prompt',
  'input',
  'instructions',
  'system',
  'tools',
  'tool_choice',
  'file',
  'image',
  'mask',
])

/** In any case of letters: Ollama reads names so, and the last of two goes before the caller's. */
export function refuseRequestsOwn(options: Readonly<Record<string, unknown>>): void {
  const name = Object.keys(options).find((option) => REQUESTS_OWN.has(foldKey(option)))
  if (name === undefined) return
  throw wrong(
    `"options" cannot set ${foldKey(name)}: it says what is asked for, which is the caller's to say; defaults are for fields such as num_ctx or temperature`,
    'a default for what only the caller may say',
  )
}
