import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

const NICENESS = 15

/**
 * Lets every other thread go first where processors are few: on one core the accounts took a fifth of the gateway's answers a second, and nobody waits for
 * them. Linux has a priority for each thread, under the number that /proc tells; elsewhere it would be the whole process's, so nothing is done. It is not the
 * lowest there is, since others may wait for what the thread has locked in the store.
 */
export function letOthersGoFirst(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(thread)) setPriority(thread, NICENESS)
  } catch {
    // No /proc, or not allowed: the work is done all the same.
  }
}
