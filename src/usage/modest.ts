import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/**
 * Lets every other thread go first where processors are few: on one core the accounts took a fifth of the gateway's answers a second, and nobody waits for
 * them. Linux has a priority for each thread, under the number that /proc tells; elsewhere it would be the whole process's, so nothing is done.
 */
export function letOthersGoFirst(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(thread)) setPriority(thread, constants.priority.PRIORITY_LOW)
  } catch {
    // No /proc, or not allowed: the work is done all the same.
  }
}
