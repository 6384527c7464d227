import { randomBytes } from 'node:crypto'

/** A branded string: `Id<'key'>` and `Id<'user'>` do not mix, though both are strings at run time. */
export type Id<Kind extends string> = string & { readonly __kind: Kind }

export type TenantId = Id<'tenant'>
export type UserId = Id<'user'>
export type KeyId = Id<'key'>
export type RequestId = Id<'request'>
export type RotationId = Id<'rotation'>
export type EndpointId = Id<'endpoint'>
export type ModelId = Id<'model'>
export type CreditId = Id<'credit'>

// The casts in this file are the only place where a plain string becomes an id.
export const DEFAULT_TENANT = 'default' as TenantId

export const asTenantId = (value: string): TenantId => value as TenantId
export const asUserId = (value: string): UserId => value as UserId
export const asKeyId = (value: string): KeyId => value as KeyId
export const asRotationId = (value: string): RotationId => value as RotationId
export const asEndpointId = (value: string): EndpointId => value as EndpointId
export const asModelId = (value: string): ModelId => value as ModelId

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Uniform base62 text. Bytes of 248 and above are thrown away, because 256 is no multiple of 62 and the remainder would favour the first letters. */
export function randomBase62(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < 248 && text.length < length) text += BASE62[byte % 62]
    }
  }
  return text
}

/** A number as fixed-width base62, most significant digit first. */
export function base62(value: number, width: number): string {
  let text = ''
  for (let rest = value; text.length < width; rest = Math.floor(rest / 62)) text = BASE62[rest % 62] + text
  return text
}

export const newUserId = (): UserId => `usr_${randomBase62(16)}` as UserId
export const newKeyId = (): KeyId => randomBase62(12) as KeyId
export const newRotationId = (): RotationId => `rot_${randomBase62(16)}` as RotationId
export const newEndpointId = (): EndpointId => `end_${randomBase62(16)}` as EndpointId
export const newModelId = (): ModelId => `mod_${randomBase62(16)}` as ModelId
export const newCreditId = (): CreditId => `crd_${randomBase62(16)}` as CreditId

const processPrefix = randomBase62(8)
let requestCount = 0
/** Unique across processes by a random prefix and within one by a counter: an id per request must not cost a system call. */
export function newRequestId(): RequestId {
  requestCount += 1
  return `req_${processPrefix}${base62(requestCount, 7)}` as RequestId
}
