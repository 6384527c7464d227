import { GatewayError } from '../kernel/index.ts'

/** What a database driver throws says nothing to a caller; it becomes the cause of an error of ours. */
export async function guarded<T>(reason: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('STORE_UNAVAILABLE', { reason, cause })
  }
}
