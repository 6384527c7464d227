export {
  CLOUDFLARE_RANGES,
  clientAddress,
  isNetworkName,
  localPeer,
  type Peer,
  peerOf,
  type TrustedNetworks,
  trustedNetworks,
} from './address.ts'
export { dropBody, readBody, Upload } from './body.ts'
export { isEventStream, isJson } from './content-type.ts'
export type { CorsRules } from './cors.ts'
export { credentialOf } from './credential.ts'
export { type Envelope, type Opened, openEnvelope } from './envelope.ts'
export { asGatewayError, type ErrorAnswer, type ErrorShape, errorAnswer, errorInBand } from './faces.ts'
export { type Edit, edited, foldKey, parseFields, parseObject, refuseAmbiguousKeys, scanObject, type TopLevelKey } from './json.ts'
export { afterString } from './json-string.ts'
export { openRoute } from './open-route.ts'
export { Room, type Share } from './room.ts'
export { createGateServer, type ExactRoutes, envelopeOf, type GateEnv, type GateServerParts } from './server.ts'
export { mustBeTaken } from './taken.ts'
