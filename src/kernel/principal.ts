import type { KeyId, TenantId, UserId } from './ids.ts'
import { namesModel } from './model-names.ts'

/** What a key may use, whatever the face it comes through. */
export const CAPABILITIES = ['text', 'embedding', 'image', 'speech', 'transcription'] as const
export type Capability = (typeof CAPABILITIES)[number]

export type Right = Capability | 'observe' | `manage:${string}` | `use:${string}`

/** The names of the built-in services, and `all`, as short ways to say capabilities. `all` is these five and nothing that manages. */
export const RIGHT_ALIASES: Readonly<Record<string, readonly Capability[]>> = {
  chat: ['text', 'embedding'],
  tts: ['speech'],
  image: ['image'],
  whisper: ['transcription'],
  all: CAPABILITIES,
}

const SCOPED = /^(?:manage|use):[a-z][a-z0-9-]{0,31}$/

/** One word of a rights list as the rights it stands for; null when it is no right. */
export function rightsOf(word: string): readonly Right[] | null {
  const text = word.trim().toLowerCase()
  const alias = Object.hasOwn(RIGHT_ALIASES, text) ? RIGHT_ALIASES[text] : undefined
  if (alias) return alias
  if (text === 'observe' || SCOPED.test(text) || (CAPABILITIES as readonly string[]).includes(text)) return [text as Right] // checked just now
  return null
}

/** Who acts: a key, a person at the management socket, or the gateway itself; devices and agents come later. */
export interface Principal {
  readonly tenant: TenantId
  readonly kind: 'key' | 'person' | 'device' | 'agent' | 'system'
  /** The key id for a key, a local user name for a person. */
  readonly id: string
  readonly user: string
  readonly rights: ReadonlySet<Right>
}

export interface KeyPrincipal extends Principal {
  readonly kind: 'key'
  readonly id: KeyId
  readonly limits: Allowance
  readonly owner: KeyOwner
  /** The models it may use; null is all of them. A name may end in `*`. */
  readonly models: readonly string[] | null
  /** Whether prompts and answers are kept. */
  readonly logContent: boolean
  /** True when the secret used is the one before the last rotation, still within its grace period. */
  readonly oldSecret: boolean
}

/** The user a key belongs to, as of this moment: one object for the life of the process, so that a change is seen by every key at once. */
export interface KeyOwner {
  readonly id: UserId
  readonly limits: Allowance
}

/** What a key, a user, a model or an endpoint may use. */
export interface Allowance {
  /** Of requests; each of them holds. */
  readonly rates: readonly Rate[]
  /** 0 means no limit. */
  readonly concurrency: number
  /** Null means no limit, here and below. */
  readonly tokensPerMinute: number | null
  readonly budgetDayMicro: number | null
  readonly budgetMonthMicro: number | null
}

export const NO_LIMITS: Allowance = Object.freeze({
  rates: Object.freeze([]),
  concurrency: 0,
  tokensPerMinute: null,
  budgetDayMicro: null,
  budgetMonthMicro: null,
})

export const isKey = (principal: Principal | null): principal is KeyPrincipal => principal?.kind === 'key'

/** A key that is bound to some models knows of no others. */
export const mayUse = (
  principal: Principal | null,
  { name, capability }: { readonly name: string; readonly capability: Capability },
): boolean => isKey(principal) && principal.rights.has(capability) && namesModel(principal.models, name)

export interface Rate {
  readonly count: number
  readonly perMs: number
}

const RATE_UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const RATE = /^([1-9]\d{0,8})\/(s|m|h|d)$/

/** `60/m`, `1000/h`, `5000/d`, `2/s`; null when the text is none of these. */
export function parseRate(text: string): Rate | null {
  const match = RATE.exec(text.trim())
  if (!match) return null
  const unit = match[2] as keyof typeof RATE_UNIT_MS // the expression admits only these four letters
  return { count: Number(match[1]), perMs: RATE_UNIT_MS[unit] }
}

export function formatRate(rate: Rate): string {
  const unit = Object.entries(RATE_UNIT_MS).find(([, ms]) => ms === rate.perMs)?.[0] ?? 's'
  return `${rate.count}/${unit}`
}
