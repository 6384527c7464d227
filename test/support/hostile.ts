/** Backends that misbehave. `await hostileUpstream((request) => behaviour)`; the behaviours are below, and any async function is one. */
export * from './hostile/backends.ts'
export * from './hostile/behaviours.ts'
export { chunk, type HeaderList, head, LAST_CHUNK, whole } from './hostile/http.ts'
export type { SeenRequest } from './hostile/request.ts'
export {
  type Behaviour,
  type Exchange,
  type HostileOptions,
  type HostileUpstream,
  hostileUpstream,
  type Script,
} from './hostile/upstream.ts'
export { PeerLeft } from './hostile/wire.ts'
