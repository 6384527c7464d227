import { Pool } from 'undici'
import { LIMITS } from '../../kernel/index.ts'

export interface Pools {
  of(origin: string): Pool
  close(): Promise<void>
}

/**
 * One pool for each origin. Connections are not bounded: with 256 of them stream 257 waited for another's end. undici's own timeouts are
 * off, since ours stop while the caller is the slow one. Idle sockets are dropped before uvicorn (5 s) would close them under a request.
 */
export function createPools(): Pools {
  const pools = new Map<string, Pool>()
  return {
    of(origin) {
      const known = pools.get(origin)
      if (known) return known
      const pool = new Pool(origin, {
        connections: null,
        pipelining: 1,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: 4_000,
        keepAliveMaxTimeout: 25_000,
        connect: { timeout: LIMITS.connectMsMax },
      })
      pools.set(origin, pool)
      return pool
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
      pools.clear()
    },
  }
}
