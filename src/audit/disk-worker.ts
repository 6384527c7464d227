/**
 * The thread that owns fdatasync. argon2, DNS and file reads share libuv's four threads, and a sync behind four hanging look-ups would hold every
 * request; so syncs get a thread of their own. It is started from text because a worker cannot load a .ts file on Node 20, and tests, tsx and dist
 * shall run the same code.
 *
 * It sleeps in Atomics.wait on the first word of the shared memory (woken in a few microseconds, where a message takes tens) and reads its orders from it:
 * [0] turn number, [1] order (1 write, 2 stop), [2] file descriptor, [3] length, [4] 1 when the directory entry must be synced too.
 *
 * Only a turn that has changed is an order. The main thread may be put to sleep between counting the turn and ringing the bell; the order is then carried out
 * before the bell, and the bell itself would have it carried out again, and the batch after it acknowledged before it was written.
 */
export const WORDS = 8
export const ORDER_WRITE = 1
export const ORDER_STOP = 2

export const DISK_WORKER_SOURCE = `
'use strict'
const { parentPort, workerData } = require('node:worker_threads')
const fs = require('node:fs')
const { words: shared, bytes: sharedBytes, dir } = workerData
const words = new Int32Array(shared)
const bytes = Buffer.from(sharedBytes)

function syncDirectory() {
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function write(fd, length, newFile) {
  const written = fs.writeSync(fd, bytes, 0, length)
  if (written !== length) throw Object.assign(new Error('short write: ' + written + ' of ' + length + ' bytes'), { code: 'SHORT_WRITE' })
  fs.fdatasyncSync(fd)
  if (newFile) syncDirectory()
}

let turn = 0
for (;;) {
  Atomics.wait(words, 0, turn)
  const now = Atomics.load(words, 0)
  if (now === turn) continue
  turn = now
  if (words[1] === ${ORDER_STOP}) break
  let failure = null
  try {
    write(words[2], words[3], words[4] === 1)
  } catch (error) {
    failure = { message: error.message, code: error.code }
  }
  parentPort.postMessage(failure)
}
`
