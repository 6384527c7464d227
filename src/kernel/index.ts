export { type Clock, systemClock } from './clock.ts'
export { passed } from './dead-buffers.ts'
export { ERRORS, type ErrorCode, type ErrorHints, type ErrorSpec, GatewayError, type GatewayErrorOptions, reasonOf } from './errors.ts'
export {
  asEndpointId,
  asKeyId,
  asModelId,
  asRotationId,
  asTenantId,
  asUserId,
  base62,
  type CreditId,
  DEFAULT_TENANT,
  type EndpointId,
  type Id,
  type KeyId,
  type ModelId,
  newCreditId,
  newEndpointId,
  newKeyId,
  newModelId,
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
export { namesModel, namesText } from './model-names.ts'
export { BILLING_UNITS, type BillingUnit, costOf, formatMicro, MICRO, MICRO_MAX, NO_PRICE, type Price, parseMicro } from './money.ts'
export { networkOf } from './network.ts'
export { own } from './own.ts'
export * from './principal.ts'
export { Secret } from './secret.ts'
export { Slots, type Slotted } from './slots.ts'
export { clip, holdsKey, unescaped, visible, withoutKeys } from './text.ts'
