export { type Clock, systemClock } from './clock.ts'
export { passed } from './dead-buffers.ts'
export { ERRORS, type ErrorCode, type ErrorSpec, GatewayError, type GatewayErrorOptions, reasonOf } from './errors.ts'
export {
  asKeyId,
  asRotationId,
  asTenantId,
  asUserId,
  base62,
  DEFAULT_TENANT,
  type Id,
  type KeyId,
  newKeyId,
  newRequestId,
  newRotationId,
  newUserId,
  type RequestId,
  type RotationId,
  randomBase62,
  type TenantId,
  type UserId,
} from './ids.ts'
export { LIMITS } from './limits.ts'
export { networkOf } from './network.ts'
export { own } from './own.ts'
export * from './principal.ts'
export { Secret } from './secret.ts'
export { Slots, type Slotted } from './slots.ts'
export { clip, holdsKey, unescaped, visible, withoutKeys } from './text.ts'
